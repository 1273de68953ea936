-- Fields that a portal serves and no model knows: kept with the row, and reported once.
ALTER TABLE absorb.departments ADD COLUMN _extra JSON;
ALTER TABLE absorb.users ADD COLUMN _extra JSON;
ALTER TABLE absorb.courses ADD COLUMN _extra JSON;
ALTER TABLE absorb.enrollments ADD COLUMN _extra JSON;

CREATE TABLE ops.drift (
  tenant_id VARCHAR NOT NULL,
  stream VARCHAR NOT NULL,
  field VARCHAR NOT NULL,
  first_seen TIMESTAMPTZ NOT NULL,
  run_id VARCHAR NOT NULL,
  PRIMARY KEY (tenant_id, stream, field)
);
