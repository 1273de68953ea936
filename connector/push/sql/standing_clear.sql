-- What was known of the records that the difference looked at.
DELETE FROM salesforce.push_standing
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object AND {{looked_at}}
