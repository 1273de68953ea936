SELECT
  CASE stage WHEN 'load' THEN 'source row(s) that do not fit' ELSE 'enrollment(s) with an unmapped status' END AS kind,
  count(*) AS pending
FROM ops.quarantine
WHERE tenant_id = $tenant_id AND resolved_at IS NULL
GROUP BY stage
UNION ALL
SELECT 'field(s) that the portal stopped serving', count(*)
FROM ops.fields
WHERE tenant_id = $tenant_id AND vanished_at IS NOT NULL
HAVING count(*) > 0
UNION ALL
SELECT CASE state WHEN 'outdated' THEN 'record(s) outdated in the LearningRecord API' ELSE 'push(es) ' || state END, count(*)
FROM salesforce.current_ledger
WHERE tenant_id = $tenant_id AND state IN ('rejected', 'deferred', 'outdated')
GROUP BY state
ORDER BY 1
