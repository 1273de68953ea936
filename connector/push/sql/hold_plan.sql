-- Everything that a push would do to one object: what it would send, and whose match it would take as lost.
CREATE OR REPLACE TEMP TABLE hold_plan AS
SELECT external_id, payload_hash FROM hold_next
UNION ALL
SELECT external_id, '' FROM hold_changes WHERE payload_hash IS NULL
