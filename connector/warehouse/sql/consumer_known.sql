SELECT count(*) FROM ops.consumers WHERE tenant_id = $tenant_id AND consumer = $consumer
