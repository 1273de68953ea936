-- A new row for each enrollment that has a status and no open row; never before the end of its last one.
INSERT INTO learning_item_progress_history (tenant_id, enrollment_id, valid_from, status, rule, percent)
SELECT p.tenant_id, p.enrollment_id, greatest($as_of, h.ended_at), p."ProgressStatus", p.rule, p."CompletedPercent"
FROM learning_item_progress AS p
LEFT JOIN (
  SELECT enrollment_id, max(valid_to) AS ended_at, bool_or(valid_to IS NULL) AS is_open
  FROM learning_item_progress_history
  WHERE tenant_id = $tenant_id
  GROUP BY enrollment_id
) AS h ON h.enrollment_id = p.enrollment_id
WHERE p.tenant_id = $tenant_id AND h.is_open IS NOT true
