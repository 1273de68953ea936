-- Enrollments that the warehouse holds as live and the complete sweep of their course did not meet. A course that
-- answers 404 counts only if an earlier run had met the same: one 404 may be a role that lost its view.
CREATE OR REPLACE TEMP TABLE vanished AS
SELECT e.id, e.course_id
FROM absorb.enrollments AS e
WHERE e.tenant_id = $tenant_id
  AND e._removed_at IS NULL
  AND e.course_id IN (
    SELECT s.course_id
    FROM swept_courses AS s
    LEFT JOIN absorb.courses AS c ON c.tenant_id = $tenant_id AND c.id = s.course_id
    WHERE NOT s.gone OR c._removed_at < $started_at
  )
  AND NOT EXISTS (SELECT 1 FROM swept WHERE swept.id = e.id);
