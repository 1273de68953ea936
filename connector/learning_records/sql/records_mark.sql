-- The API cannot update or delete: the ledger says which of its records no longer say what the warehouse says, and why.
UPDATE salesforce.push_ledger AS l
SET state = m.state, error_code = m.error_code, error_text = m.told
FROM (
  SELECT
    d.external_id,
    CASE WHEN o.settled THEN 'settled' WHEN o.external_id IS NOT NULL THEN 'outdated' ELSE 'accepted' END AS state,
    CASE
      WHEN o.reason = 'not found' THEN 'NOT_FOUND'
      WHEN o.reason LIKE 'removed%' THEN 'REMOVED'
      WHEN o.external_id IS NOT NULL THEN 'CHANGED'
    END AS error_code,
    o.told
  FROM pushable AS d
  LEFT JOIN outdated AS o ON o.external_id = d.external_id
  WHERE d.action IN ('unchanged', 'outdated')
) AS m
WHERE l.tenant_id = $tenant_id
  AND l.org_id = $org_id
  AND l.target_object = $object
  AND l.external_id = m.external_id
  AND l.accepted_hash IS NOT NULL
  AND (l.state <> m.state OR l.error_text IS DISTINCT FROM m.told);
