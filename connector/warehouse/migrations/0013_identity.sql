-- Which portal and which org the rows of a tenant are of.
CREATE TABLE ops.identity (
  tenant_id VARCHAR NOT NULL,
  system VARCHAR NOT NULL,       -- portal | org
  id VARCHAR NOT NULL,           -- portal: id of its root department, else its base URL; org: its organization id
  kind VARCHAR NOT NULL,         -- what the id is: root department | base URL | organization
  url VARCHAR NOT NULL,          -- where it was met
  noted_at TIMESTAMPTZ NOT NULL,
  run_id VARCHAR NOT NULL,
  PRIMARY KEY (tenant_id, system)
);
