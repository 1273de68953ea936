SELECT field, first_seen
FROM ops.drift
WHERE tenant_id = $tenant_id AND stream = $stream
ORDER BY field
