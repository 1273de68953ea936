-- When enrollments were last pulled, newest first; the run under way has no stats yet and does not count.
SELECT started_at
FROM ops.runs
WHERE tenant_id = $tenant_id AND command IN ('pull', 'reconcile') AND finished_at IS NOT NULL
  AND coalesce(stats -> '$.streams.enrollments', stats -> '$.pull.streams.enrollments') IS NOT NULL
ORDER BY started_at DESC
LIMIT 6
