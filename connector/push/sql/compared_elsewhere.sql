-- What was compared of another object or org: its records were not told what changed, so all are compared again.
DELETE FROM salesforce.push_compared
WHERE tenant_id = $tenant_id AND NOT (org_id = $org_id AND target_object = $object)
