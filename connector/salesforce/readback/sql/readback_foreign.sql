-- Fields of the suspects that are not as they were sent. A record whose payload differs from the one that the org accepted
-- is due anyway and is not compared.
INSERT INTO salesforce.foreign_changes
SELECT $tenant_id, $object, external_id, "Id", field, sent, found, "LastModifiedById", "SystemModstamp"
FROM (
  SELECT s.external_id, s."Id", s."LastModifiedById", s."SystemModstamp", unnest([{{pairs}}], recursive := true)
  FROM suspects AS s
  JOIN pushable AS p ON p.external_id = s.external_id AND p.payload_hash = s.accepted_hash
)
WHERE sent IS DISTINCT FROM found
