SELECT
  command,
  started_at,
  epoch(finished_at - started_at) AS seconds,
  coalesce(outcome, 'unfinished') AS outcome,
  message
FROM ops.runs
WHERE tenant_id = $tenant_id
ORDER BY started_at DESC
LIMIT 8
