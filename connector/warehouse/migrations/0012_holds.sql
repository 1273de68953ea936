-- Pushes that are held because they would change, blank, unmatch or remove too much of what an org has.
CREATE TABLE ops.holds (
  id VARCHAR PRIMARY KEY,
  tenant_id VARCHAR NOT NULL,
  org_id VARCHAR NOT NULL,
  object VARCHAR NOT NULL,
  reason VARCHAR NOT NULL,
  counts JSON NOT NULL,
  plan_hash VARCHAR NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  approved_at TIMESTAMPTZ,             -- when somebody allowed exactly this plan
  resolved_at TIMESTAMPTZ              -- sent, replaced by another plan, or no longer needed
);

-- The plan of each hold that is not resolved; an empty hash is a record that only loses its learner's match.
CREATE TABLE ops.hold_records (
  hold_id VARCHAR NOT NULL,
  external_id VARCHAR NOT NULL,
  payload_hash VARCHAR NOT NULL
);

-- Of which instant the statuses of learning_item_progress are, and by which maps: file → hash of its content.
CREATE TABLE ops.builds (
  tenant_id VARCHAR PRIMARY KEY,
  as_of TIMESTAMPTZ NOT NULL,
  maps JSON NOT NULL
);

-- The same of the last push of an object that was not held.
CREATE TABLE salesforce.push_plans (
  tenant_id VARCHAR NOT NULL,
  org_id VARCHAR NOT NULL,
  target_object VARCHAR NOT NULL,
  as_of TIMESTAMPTZ NOT NULL,
  maps JSON NOT NULL,
  run_id VARCHAR NOT NULL,
  PRIMARY KEY (tenant_id, org_id, target_object)
);

-- What holds compare of a payload that was sent. The ledger's accepted_hash says which one of a record the org has; an
-- entry that was taken from the org's own copy has an empty hash where the ledger names none. No key: an index over
-- hashes would be larger than the table.
CREATE TABLE salesforce.push_state (
  tenant_id VARCHAR NOT NULL,
  org_id VARCHAR NOT NULL,
  target_object VARCHAR NOT NULL,
  external_id VARCHAR NOT NULL,
  payload_hash VARCHAR NOT NULL,
  status VARCHAR,
  learner VARCHAR,
  removed BOOLEAN,
  filled VARCHAR[],                    -- names of the fields that had a value
  matched BOOLEAN,                     -- whether the learner matched somebody at the last push that was not held
  as_of TIMESTAMPTZ                    -- of which instant the status is; null where it was read from the org
);
