-- Course → what learnsync ever recommended for it, as JSON.
SELECT external_id, content
FROM salesforce.push_ledger
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object AND content IS NOT NULL;
