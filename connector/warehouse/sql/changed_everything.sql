INSERT INTO ops.changed
SELECT $tenant_id, unnest(CAST($readers AS VARCHAR[])), $stream, '*'
