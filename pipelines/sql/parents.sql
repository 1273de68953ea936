-- Enrollments without a known learner, without a known course, and all.
SELECT count(*) FILTER (WHERE u.id IS NULL), count(*) FILTER (WHERE c.id IS NULL), count(*)
FROM absorb.enrollments AS e
LEFT JOIN absorb.users AS u ON u.tenant_id = e.tenant_id AND u.id = e.user_id
LEFT JOIN absorb.courses AS c ON c.tenant_id = e.tenant_id AND c.id = e.course_id
WHERE e.tenant_id = $tenant_id
