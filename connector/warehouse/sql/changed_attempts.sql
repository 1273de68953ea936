-- The enrollments of the learners and courses that changed attempts belong to, and belonged to.
SELECT enrolled.id
FROM absorb.enrollments AS enrolled
SEMI JOIN (
  SELECT user_id, course_id
  FROM (SELECT id, user_id, course_id FROM staged UNION ALL SELECT id, user_id, course_id FROM stored)
  SEMI JOIN delta USING (id)
) AS attempted USING (user_id, course_id)
WHERE enrolled.tenant_id = $tenant_id
