-- Enrollments that a load adds or changes, and those of the learner and course that one of them had until now: attempts
-- name these two, and are counted for one of the enrollments that have them.
SELECT id FROM delta
UNION ALL
SELECT sibling.id
FROM absorb.enrollments AS sibling
SEMI JOIN (
  SELECT stored.user_id, stored.course_id
  FROM stored
  JOIN staged ON staged.id = stored.id
  WHERE (stored.user_id, stored.course_id) IS DISTINCT FROM (staged.user_id, staged.course_id)
) AS moved USING (user_id, course_id)
WHERE sibling.tenant_id = $tenant_id
