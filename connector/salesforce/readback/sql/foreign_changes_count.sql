SELECT count(DISTINCT external_id)
FROM salesforce.foreign_changes
WHERE tenant_id = $tenant_id AND object = $object
