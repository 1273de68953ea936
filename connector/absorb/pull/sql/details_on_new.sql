-- Detail streams that were not on until now.
SELECT stream
FROM (SELECT unnest(CAST($streams AS VARCHAR[])) AS stream)
WHERE stream NOT IN (SELECT stream FROM ops.detail_streams WHERE tenant_id = $tenant_id)
