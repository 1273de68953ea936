DELETE FROM salesforce.push_compared
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object
