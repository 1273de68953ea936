-- One row per LearningRecord and API it is sent to: what was sent, what the API made of it, and what it said.
CREATE TABLE ops.learning_record_ledger (
  tenant_id VARCHAR NOT NULL,
  destination VARCHAR NOT NULL,  -- base URL of the API: another one has none of these records
  record_id VARCHAR NOT NULL,    -- learning_record.id
  payload_hash VARCHAR NOT NULL, -- of the payload sent last
  sent_content VARCHAR NOT NULL, -- fingerprint of what that payload says, by which it is found in the API
  accepted_hash VARCHAR,         -- of the payload the API accepted; it is never updated there
  remote_id VARCHAR,             -- the id that the API gave out
  state VARCHAR NOT NULL,        -- sent | accepted | outdated (differs from the warehouse by now) | rejected | deferred
  error_code VARCHAR,
  error_text VARCHAR,
  attempts INTEGER NOT NULL,
  first_sent_at TIMESTAMPTZ NOT NULL,
  last_sent_at TIMESTAMPTZ NOT NULL,
  accepted_at TIMESTAMPTZ,
  run_id VARCHAR NOT NULL,
  PRIMARY KEY (tenant_id, destination, record_id)
);
