-- The API cannot update or delete: the ledger says which of its records no longer say what the warehouse says.
UPDATE salesforce.push_ledger AS l
SET state = CASE WHEN d.action = 'unchanged' THEN 'accepted' ELSE 'outdated' END
FROM pushable AS d
WHERE l.tenant_id = $tenant_id
  AND l.org_id = $org_id
  AND l.target_object = $object
  AND l.external_id = d.external_id
  AND l.accepted_hash IS NOT NULL
  AND d.action IN ('unchanged', 'cannot update', 'cannot delete')
  AND l.state IS DISTINCT FROM CASE WHEN d.action = 'unchanged' THEN 'accepted' ELSE 'outdated' END;
