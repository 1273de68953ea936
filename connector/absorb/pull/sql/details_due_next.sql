-- The next learners and courses to ask about, after the last of the chunk before; a failed pair is not met twice.
SELECT
  CAST(user_id AS VARCHAR),
  CAST(course_id AS VARCHAR),
  list({'enrollment_id': CAST(enrollment_id AS VARCHAR), 'date_edited': date_edited, 'noted_at': noted_at})
FROM ops.details_due
WHERE tenant_id = $tenant_id
  AND ($user_id IS NULL OR (user_id, course_id) > (CAST($user_id AS UUID), CAST($course_id AS UUID)))
GROUP BY user_id, course_id
ORDER BY user_id, course_id
LIMIT $size;
