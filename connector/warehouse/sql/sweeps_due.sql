-- Streams that hold live rows and were not swept since $before.
SELECT stream
FROM (
  SELECT DISTINCT 'departments' AS stream FROM absorb.departments WHERE tenant_id = $tenant_id AND _removed_at IS NULL
  UNION ALL
  SELECT DISTINCT 'users' FROM absorb.users WHERE tenant_id = $tenant_id AND _removed_at IS NULL
  UNION ALL
  SELECT DISTINCT 'enrollments' FROM absorb.enrollments WHERE tenant_id = $tenant_id AND _removed_at IS NULL
) AS held
WHERE stream NOT IN (SELECT stream FROM ops.sweeps WHERE tenant_id = $tenant_id AND swept_at >= $before);
