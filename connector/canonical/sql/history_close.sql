-- An open row whose status is no longer that of its enrollment ends with this build. Should somebody build as of an
-- earlier instant, the row ends where it began, so that rows never overlap.
UPDATE learning_item_progress_history AS h
SET valid_to = greatest(h.valid_from, $as_of)
WHERE h.tenant_id = $tenant_id
  AND h.valid_to IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM learning_item_progress AS p
    WHERE p.tenant_id = h.tenant_id AND p.enrollment_id = h.enrollment_id AND p."ProgressStatus" = h.status
  )
