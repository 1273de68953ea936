-- How many records of an object the org has from us.
SELECT count(*)
FROM salesforce.push_ledger
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object
  AND (accepted_hash IS NOT NULL OR salesforce_id IS NOT NULL)
