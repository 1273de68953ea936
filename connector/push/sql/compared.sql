-- By which basis the records of an object were compared, and how many of them the ledger knew.
SELECT basis, ledger_rows
FROM salesforce.push_compared
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object
