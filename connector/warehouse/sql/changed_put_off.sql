UPDATE ops.changed SET consumer = $part WHERE tenant_id = $tenant_id AND consumer = $consumer
