-- Which rows changed since each consumer (build, match, push) last looked. Appended by whoever writes the rows, in the same
-- transaction; deleted by the consumer in the transaction in which it has dealt with them. Ids may be there twice.
CREATE TABLE ops.changed (
  tenant_id VARCHAR NOT NULL,
  consumer VARCHAR NOT NULL,
  stream VARCHAR NOT NULL,             -- the table, without its schema where that is absorb
  id VARCHAR NOT NULL                  -- the row's id; '*' for all that there is
);

-- Consumers that dealt with every row once. For any other one all rows are due, as in a warehouse of an earlier version.
CREATE TABLE ops.consumers (
  tenant_id VARCHAR NOT NULL,
  consumer VARCHAR NOT NULL
);
