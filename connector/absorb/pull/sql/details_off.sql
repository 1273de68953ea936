-- Detail streams that are off: what changes meanwhile is not read, so they begin anew when they are switched on again.
DELETE FROM ops.detail_streams
WHERE tenant_id = $tenant_id AND stream NOT IN (SELECT unnest(CAST($streams AS VARCHAR[])))
