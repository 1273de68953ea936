-- What waits in quarantine of one stream: field, reason, rows, an example.
SELECT coalesce(field, ''), reason, count(*) AS size, min(source_id)
FROM ops.quarantine
WHERE tenant_id = $tenant_id AND stream = $stream AND stage = 'load' AND resolved_at IS NULL
GROUP BY ALL ORDER BY ALL
