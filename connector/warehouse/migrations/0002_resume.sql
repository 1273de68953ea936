-- How far an unfinished walk of a list has been loaded, so that the run after a kill goes on from there.
-- Written with the rows it covers; removed with the watermark that the finished walk writes.
CREATE TABLE ops.resume (
  tenant_id VARCHAR NOT NULL,
  stream VARCHAR NOT NULL,
  scope_id VARCHAR NOT NULL,
  "key" TIMESTAMPTZ NOT NULL,    -- every row edited up to here was loaded by the unfinished walk
  ceiling TIMESTAMPTZ NOT NULL,  -- when that walk began, by the portal's clock
  run_id VARCHAR NOT NULL,
  PRIMARY KEY (tenant_id, stream, scope_id)
);
