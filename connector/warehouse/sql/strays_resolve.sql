-- Enrollments that had been in quarantine because another course has their id, and now are the ones that it belongs to.
UPDATE ops.quarantine SET resolved_at = $seen_at
WHERE tenant_id = $tenant_id AND stream = 'enrollments' AND stage = 'load' AND resolved_at IS NULL
  AND source_id IN (SELECT CAST(id AS VARCHAR) || '@' || CAST(course_id AS VARCHAR) FROM staged);
