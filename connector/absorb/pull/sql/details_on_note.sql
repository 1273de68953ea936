INSERT INTO ops.detail_streams
SELECT $tenant_id, unnest(CAST($streams AS VARCHAR[])), $since
ON CONFLICT DO NOTHING
