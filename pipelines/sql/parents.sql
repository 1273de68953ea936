-- Enrollments without a known learner, without a known course, and all.
WITH enrolled AS (SELECT user_id, course_id FROM absorb.enrollments WHERE tenant_id = $tenant_id)
SELECT
  (SELECT count(*) FROM enrolled AS e ANTI JOIN (SELECT id FROM absorb.users WHERE tenant_id = $tenant_id) AS u
    ON u.id = e.user_id),
  (SELECT count(*) FROM enrolled AS e ANTI JOIN (SELECT id FROM absorb.courses WHERE tenant_id = $tenant_id) AS c
    ON c.id = e.course_id),
  (SELECT count(*) FROM enrolled)
