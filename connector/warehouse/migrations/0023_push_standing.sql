-- What a push need not look at again: records that were compared once and did not change since.
-- An object of an org is here once all of its records were compared. By another basis, which is a hash of the query, its
-- parameters and the version, all are compared again; also where the ledger knows fewer records than it did.
CREATE TABLE salesforce.push_compared (
  tenant_id VARCHAR NOT NULL,
  org_id VARCHAR NOT NULL,
  target_object VARCHAR NOT NULL,
  basis VARCHAR NOT NULL,
  ledger_rows BIGINT NOT NULL
);

-- Records of these objects that the ledger alone does not tell about. Any other record is in the ledger, and where its state
-- is accepted, it is as the org has it. A record may be here twice.
CREATE TABLE salesforce.push_standing (
  tenant_id VARCHAR NOT NULL,
  org_id VARCHAR NOT NULL,
  target_object VARCHAR NOT NULL,
  external_id VARCHAR NOT NULL,
  standing VARCHAR NOT NULL,           -- due: to be compared again | blocked | absent: in the ledger, and no record any more
  reason VARCHAR,                      -- why it is blocked
  payload_hash VARCHAR,                -- of the payload that it was found to lack; null where something changed since
  sort_key VARCHAR                     -- of a blocked record: the first of them are shown in a report
);
