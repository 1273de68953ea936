SELECT reason, count(*)
FROM ops.quarantine
WHERE tenant_id = $tenant_id AND stage = 'map' AND resolved_at IS NULL
GROUP BY ALL
