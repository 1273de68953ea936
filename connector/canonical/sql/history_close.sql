-- An open row whose status is no longer that of its enrollment ends with this build. Should somebody build as of an
-- earlier instant, the row ends where it began, so that rows never overlap.
UPDATE learning_item_progress_history AS h
SET valid_to = greatest(h.valid_from, $as_of)
FROM (
  SELECT held.held_row
  FROM history_held AS held
  JOIN restated AS now USING (enrollment_id)
  WHERE held.valid_to IS NULL AND held.status <> now.status
) AS over
WHERE h.rowid = over.held_row
