SELECT
  CASE stage WHEN 'load' THEN 'source row(s) that do not fit' ELSE 'enrollment(s) with an unmapped status' END AS kind,
  count(*) AS pending
FROM ops.quarantine
WHERE tenant_id = $tenant_id AND resolved_at IS NULL
GROUP BY stage
UNION ALL
SELECT 'push(es) ' || state, count(*)
FROM (
  SELECT state
  FROM salesforce.push_ledger
  WHERE tenant_id = $tenant_id
    AND org_id = (
      SELECT org_id FROM salesforce.push_ledger WHERE tenant_id = $tenant_id ORDER BY last_sent_at DESC LIMIT 1
    )
  UNION ALL
  SELECT state
  FROM ops.learning_record_ledger
  WHERE tenant_id = $tenant_id
    AND destination = (
      SELECT destination FROM ops.learning_record_ledger
      WHERE tenant_id = $tenant_id ORDER BY last_sent_at DESC LIMIT 1
    )
)
WHERE state IN ('rejected', 'deferred')
GROUP BY state
ORDER BY 1
