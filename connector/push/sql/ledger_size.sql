-- How many records of one target the ledger knows.
SELECT count(*)
FROM salesforce.push_ledger
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object
