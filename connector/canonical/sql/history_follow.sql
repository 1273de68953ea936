-- Within one status, rule and percent follow the table.
UPDATE learning_item_progress_history AS h
SET rule = now.rule, percent = now.percent
FROM (
  SELECT held.held_row, now.rule, now.percent
  FROM history_held AS held
  JOIN restated AS now USING (enrollment_id)
  WHERE held.valid_to IS NULL AND held.status = now.status AND (held.rule, held.percent) IS DISTINCT FROM (now.rule, now.percent)
) AS now
WHERE h.rowid = now.held_row
