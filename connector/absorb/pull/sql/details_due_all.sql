-- Every live enrollment: a detail stream was switched on, or an operator asked for all details to be read again. One that
-- is due already stays as it was.
INSERT INTO ops.details_due
SELECT tenant_id, id, user_id, course_id, date_edited, $noted_at
FROM absorb.enrollments
ANTI JOIN (SELECT enrollment_id FROM ops.details_due WHERE tenant_id = $tenant_id) AS due ON due.enrollment_id = id
WHERE tenant_id = $tenant_id AND _removed_at IS NULL;
