DELETE FROM ops.changed WHERE tenant_id = $tenant_id AND consumer = $consumer
