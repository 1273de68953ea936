SELECT stream, dialect, refusal, found_at
FROM ops.dialects
WHERE tenant_id = $tenant_id AND portal = $portal
ORDER BY stream;
