-- Rows that no map knew at the last build are met again by each build, until they are settled.
SELECT CAST(source_id AS UUID) AS id
FROM ops.quarantine
WHERE tenant_id = $tenant_id AND stream = 'enrollments' AND stage = 'map' AND resolved_at IS NULL
