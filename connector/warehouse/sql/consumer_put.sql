INSERT INTO ops.consumers
SELECT $tenant_id, $consumer
WHERE NOT EXISTS (SELECT 1 FROM ops.consumers WHERE tenant_id = $tenant_id AND consumer = $consumer)
