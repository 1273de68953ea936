-- One push ledger for every target. The LearningRecord API has no org id: its base URL stands there.
ALTER TABLE salesforce.push_ledger ADD COLUMN created BOOLEAN; -- whether the last sending made the record
ALTER TABLE salesforce.push_ledger ADD COLUMN content VARCHAR; -- fingerprint by which a record is found in an API without upsert

INSERT INTO salesforce.push_ledger (
  tenant_id, org_id, target_object, external_id, payload_hash, content, accepted_hash, salesforce_id, state, error_code,
  error_text, attempts, first_sent_at, last_sent_at, accepted_at, run_id
)
SELECT
  tenant_id, destination, 'LearningRecord', record_id, payload_hash, sent_content, accepted_hash, remote_id, state,
  error_code, error_text, attempts, first_sent_at, last_sent_at, accepted_at, run_id
FROM ops.learning_record_ledger;

DROP TABLE ops.learning_record_ledger;

-- What the ledger says of the LearningRecord API: which record has which id there.
CREATE VIEW ops.learning_record_ledger AS
SELECT
  tenant_id, org_id AS destination, external_id AS record_id, payload_hash, content AS sent_content, accepted_hash,
  salesforce_id AS remote_id, state, error_code, error_text, attempts, first_sent_at, last_sent_at, accepted_at, run_id
FROM salesforce.push_ledger
WHERE target_object = 'LearningRecord';

-- What concerns the org and the API that were pushed to last; what another one said does not concern them.
CREATE VIEW salesforce.current_ledger AS
SELECT *
FROM salesforce.push_ledger
QUALIFY org_id = first_value(org_id) OVER (
  PARTITION BY tenant_id, target_object = 'LearningRecord' ORDER BY last_sent_at DESC, org_id
);
