-- How each list of a portal is asked for what changed. A list without a row is asked by modifiedSince.
CREATE TABLE ops.dialects (
  tenant_id VARCHAR NOT NULL,
  portal VARCHAR NOT NULL,             -- base URL of the gateway
  stream VARCHAR NOT NULL,
  dialect VARCHAR NOT NULL,            -- modifiedSince | _filter=dateEdited | whole reads
  refusal VARCHAR NOT NULL,            -- what the portal answered to the way asked before
  found_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (tenant_id, portal, stream)
);
