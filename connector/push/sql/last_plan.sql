-- Of which instant, and by which maps, the statuses of the last push were that was not held. A version that kept no plans
-- (migration 12 brought them) did keep its builds: the last one before its last push counts. Where the ledger was lost,
-- the org's own copies say when one of them was last written.
SELECT as_of, maps, source
FROM (
  SELECT as_of, maps, 'plan' AS source, 1 AS place
  FROM salesforce.push_plans
  WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object
  UNION ALL
  SELECT max(TRY_CAST(b.stats ->> 'as_of' AS TIMESTAMPTZ)), NULL, 'build', 2
  FROM ops.runs AS b
  WHERE b.tenant_id = $tenant_id AND b.command = 'build' AND b.started_at < (
    SELECT max(started_at) FROM ops.runs
    WHERE tenant_id = $tenant_id AND command = 'push'
      AND started_at < (SELECT applied_at FROM ops.migrations WHERE version = 12)
  )
  UNION ALL
  SELECT max("SystemModstamp"), NULL, 'copies', 3
  FROM {{copies}}
  WHERE tenant_id = $tenant_id AND _removed_at IS NULL
)
WHERE as_of IS NOT NULL
ORDER BY place
LIMIT 1
