-- Assignments whose enrollment got no answer, and that a pull has found enrolled since.
UPDATE ops.assignments AS l
SET state = 'enrolled', enrollment_id = p.enrollment_id, error_code = NULL, error_text = NULL, enrolled_at = $now, run_id = $run_id
FROM assignment_plan AS p
WHERE l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.assignment_id = p.assignment_id
  AND p.outcome = 'enrolled' AND l.user_id = p.user_id AND l.course_id = p.course_id AND l.state <> 'enrolled';
