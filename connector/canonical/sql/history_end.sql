-- Enrollments that have no status any more.
UPDATE learning_item_progress_history AS h
SET valid_to = greatest(h.valid_from, $as_of)
WHERE h.tenant_id = $tenant_id AND h.valid_to IS NULL AND h.enrollment_id IN (SELECT id FROM orphans)
