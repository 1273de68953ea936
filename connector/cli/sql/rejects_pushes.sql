-- The refused pushes that are meant; an empty list of objects, codes or ids means any.
-- Only of the org and the LearningRecord API that were pushed to last: what another org refused does not concern them.
SELECT tenant_id, place, target_object, external_id, state, error_code, error_text, attempts, last_sent_at
FROM (
  SELECT tenant_id, org_id AS place, target_object, external_id, state, error_code, error_text, attempts, last_sent_at
  FROM salesforce.push_ledger
  WHERE org_id = (
    SELECT org_id FROM salesforce.push_ledger WHERE tenant_id = $tenant_id ORDER BY last_sent_at DESC LIMIT 1
  )
  UNION ALL
  SELECT tenant_id, destination, 'LearningRecord', record_id, state, error_code, error_text, attempts, last_sent_at
  FROM ops.learning_record_ledger
  WHERE destination = (
    SELECT destination FROM ops.learning_record_ledger
    WHERE tenant_id = $tenant_id ORDER BY last_sent_at DESC LIMIT 1
  )
)
WHERE tenant_id = $tenant_id AND state IN ('rejected', 'deferred') AND NOT $only_source
  AND (len($objects) = 0 OR list_contains($objects, target_object))
  AND (len($codes) = 0 OR list_contains($codes, error_code))
  AND (len($ids) = 0 OR list_contains($ids, external_id))
