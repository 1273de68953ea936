-- What the difference found, as far as the ledger alone does not say it. A blocked record that the ledger knows is looked
-- at every time: what became of it may not be known yet.
INSERT INTO salesforce.push_standing
SELECT
  $tenant_id, $org_id, $object, p.external_id,
  CASE WHEN l.external_id IS NULL AND p.action NOT IN ('create', 'update', 'held') THEN 'blocked' ELSE 'due' END,
  p.action, p.payload_hash, p.sort_key
FROM pushable AS p
LEFT JOIN salesforce.push_ledger AS l
  ON l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.external_id = p.external_id
WHERE p.action <> 'unchanged'
UNION ALL
SELECT $tenant_id, $org_id, $object, external_id, 'absent', NULL, NULL, NULL
FROM salesforce.push_ledger
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object AND {{looked_at}}
  AND external_id NOT IN (SELECT external_id FROM pushable)
