-- Every record of one target that the ledger knows, and the id that the target gave it.
SELECT external_id, salesforce_id
FROM salesforce.push_ledger
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object;
