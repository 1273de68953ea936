-- The same for attempts, which name no course enrollment: those made since the enrollment that was read began.
UPDATE absorb.attempts AS held
SET _removed_at = $now, _run_id = $run_id
FROM (
  SELECT unnest(from_json(CAST($answered AS JSON), '[{
    "enrollment_id": "UUID", "lesson_id": "UUID"
  }]'), recursive := true)
) AS answered, absorb.enrollments AS e
WHERE held.tenant_id = $tenant_id
  AND held._removed_at IS NULL
  AND e.tenant_id = $tenant_id
  AND e.id = answered.enrollment_id
  AND held.user_id = e.user_id
  AND held.course_id = e.course_id
  AND held.lesson_id = answered.lesson_id
  AND coalesce(held.start_date, held.completion_date) >= e.date_added
  AND held.id NOT IN (SELECT unnest(from_json(CAST($served AS JSON), '["UUID"]')));
