DELETE FROM salesforce.foreign_changes WHERE tenant_id = $tenant_id AND object = $object
