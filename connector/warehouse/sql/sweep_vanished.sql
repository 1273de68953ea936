-- Enrollments that the warehouse holds as live and the complete sweep of their course did not meet.
CREATE OR REPLACE TEMP TABLE vanished AS
SELECT e.id, e.course_id
FROM absorb.enrollments AS e
SEMI JOIN swept_courses AS c ON c.course_id = e.course_id
WHERE e.tenant_id = $tenant_id
  AND e._removed_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM swept WHERE swept.id = e.id);
