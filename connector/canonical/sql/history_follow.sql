-- Within one status, rule and percent follow the table.
UPDATE learning_item_progress_history AS h
SET rule = p.rule, percent = p."CompletedPercent"
FROM learning_item_progress AS p
WHERE h.tenant_id = $tenant_id
  AND h.valid_to IS NULL
  AND p.tenant_id = h.tenant_id
  AND p.enrollment_id = h.enrollment_id
  AND (p.rule, p."CompletedPercent") IS DISTINCT FROM (h.rule, h.percent)
