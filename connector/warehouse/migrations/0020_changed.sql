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

-- By what the rows of each canonical table were computed: maps, parameters, time zone, version. Where it is another one now,
-- every row is computed.
CREATE TABLE ops.built (
  tenant_id VARCHAR NOT NULL,
  table_name VARCHAR NOT NULL,
  inputs VARCHAR NOT NULL
);

-- From when on a row of learning_item_progress is another one though nothing changed but the time; none where it never is.
CREATE TABLE ops.next_changes (
  tenant_id VARCHAR NOT NULL,
  enrollment_id UUID NOT NULL,
  next_change_at TIMESTAMPTZ NOT NULL
);
