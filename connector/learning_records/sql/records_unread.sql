-- Records that the API took from an earlier version, and of which the ledger does not say what they say.
SELECT external_id, salesforce_id
FROM salesforce.push_ledger
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object
  AND accepted_hash IS NOT NULL AND salesforce_id IS NOT NULL AND (content IS NULL OR content NOT LIKE '{%')
ORDER BY external_id;
