-- The streams that something is noted of, and whether that is all of it.
SELECT stream, bool_or(id = '*')
FROM ops.changed
WHERE tenant_id = $tenant_id AND consumer IN (SELECT unnest(CAST($consumers AS VARCHAR[])))
GROUP BY stream
