-- The file of one job: UTF-8 without BOM, LF, `#N/A` for null (an empty cell would leave the old value in place).
COPY (
  SELECT {{columns}}
  FROM (
    SELECT r.sort_key, r.external_id, json_extract_string(p.payload, [{{paths}}]) AS cells
    FROM bulk_rows AS r
    JOIN pushable AS p ON p.external_id = r.external_id
    WHERE r.part = {{part}}
  )
  ORDER BY sort_key, external_id
) TO {{path}} (FORMAT csv, HEADER, DELIMITER ',', QUOTE '"', ESCAPE '"', NULLSTR '#N/A');
