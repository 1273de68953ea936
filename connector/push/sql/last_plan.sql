-- Of which instant, and by which maps, the statuses of the last push were that was not held. A version that kept no plans
-- did keep its builds: the last one before its last push.
SELECT as_of, maps
FROM salesforce.push_plans
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object
UNION ALL
SELECT max(TRY_CAST(b.stats ->> 'as_of' AS TIMESTAMPTZ)), NULL
FROM ops.runs AS b
WHERE b.tenant_id = $tenant_id AND b.command = 'build' AND b.started_at < (
  SELECT max(started_at) FROM ops.runs WHERE tenant_id = $tenant_id AND command = 'push' AND run_id <> $run_id
)
ORDER BY maps NULLS LAST
LIMIT 1
