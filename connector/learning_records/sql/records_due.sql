-- Every LearningRecord, its payload, and what the ledger says should happen to it.
CREATE OR REPLACE TEMP TABLE records_due AS
WITH source AS ({{query}}),
payloads AS (SELECT external_id, sort_key, blocked, removed, {{payload}} AS payload FROM source),
hashed AS (SELECT *, sha256(payload) AS payload_hash FROM payloads)
SELECT
  h.external_id,
  h.sort_key,
  h.payload,
  h.payload_hash,
  CASE
    WHEN l.accepted_hash IS NOT NULL AND h.removed THEN 'cannot delete'
    WHEN l.accepted_hash IS NOT NULL AND l.accepted_hash <> h.payload_hash THEN 'cannot update'
    WHEN l.accepted_hash IS NOT NULL THEN 'unchanged'
    WHEN h.blocked IS NOT NULL THEN h.blocked
    WHEN NOT $full AND l.state = 'rejected' AND l.payload_hash = h.payload_hash THEN 'held'
    ELSE 'create'
  END AS action
FROM hashed AS h
LEFT JOIN ops.learning_record_ledger AS l
  ON l.tenant_id = $tenant_id AND l.destination = $destination AND l.record_id = h.external_id;
