-- The records of one target that go by Bulk API 2.0, and which job each goes in: parents together, and no file larger
-- than $max_bytes. A row's line is reckoned at its largest: every value quoted, every quote doubled. Payloads are read
-- one after another and not kept.
CREATE OR REPLACE TEMP TABLE bulk_rows AS
WITH due AS (
  SELECT
    external_id, sort_key, payload_hash, prior_code,
    list_sum([
      coalesce(strlen(replace(cell, '"', '""')), strlen('#N/A')) + 3
      FOR cell IN json_extract_string(payload, [{{paths}}])
    ]) AS bytes
  FROM pushable
  WHERE action IN ('create', 'update')
),
sized AS (
  SELECT * FROM due ORDER BY sort_key, external_id LIMIT {{limit}}
),
summed AS (
  SELECT
    *,
    sum(bytes) OVER (ORDER BY sort_key, external_id ROWS UNBOUNDED PRECEDING) AS so_far,
    max(bytes) OVER () AS longest
  FROM sized
)
SELECT
  -- A part may begin with a row that the one before it had no room for: that much is kept free.
  CAST(so_far // greatest($max_bytes - longest, 1) AS BIGINT) AS part,
  external_id, sort_key, payload_hash, prior_code
FROM summed;
