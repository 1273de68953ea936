-- What is watched of each record that is due. A view: payloads are read where they are compared, and kept nowhere.
CREATE OR REPLACE TEMP VIEW hold_next AS
WITH due AS (
  SELECT external_id, payload_hash, {{cells}} AS cells FROM pushable WHERE action IN ('create', 'update')
)
SELECT
  external_id, payload_hash, {{status}} AS status, {{learner}} AS learner, {{removed}} AS removed, {{filled}} AS filled
FROM due
