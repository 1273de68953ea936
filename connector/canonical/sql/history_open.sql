-- A new row for each enrollment that has no open row of its status; never before the end of its last one.
INSERT INTO learning_item_progress_history (tenant_id, enrollment_id, valid_from, status, rule, percent)
SELECT $tenant_id, now.enrollment_id, greatest($as_of, held.ended_at), now.status, now.rule, now.percent
FROM restated AS now
LEFT JOIN (
  SELECT
    held.enrollment_id,
    max(coalesce(held.valid_to, greatest(held.valid_from, $as_of))) AS ended_at,
    bool_or(held.valid_to IS NULL AND held.status = restated.status) AS is_open
  FROM history_held AS held
  JOIN restated USING (enrollment_id)
  GROUP BY held.enrollment_id
) AS held USING (enrollment_id)
WHERE held.is_open IS NOT true
