-- The intent (state sending) before a learner is enrolled, and the result after.
MERGE INTO ops.assignments AS l
USING (
  SELECT unnest(from_json(CAST($entries AS JSON), '[{
    "assignment": {
      "assignment_id": "VARCHAR", "user_id": "UUID", "course_id": "UUID", "start_at": "TIMESTAMPTZ", "due_at": "TIMESTAMPTZ"
    },
    "state": "VARCHAR", "enrollment_id": "UUID", "error_code": "VARCHAR", "error_text": "VARCHAR", "dates_kept": "BOOLEAN"
  }]'), recursive := true)
) AS e
ON l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.assignment_id = e.assignment_id
WHEN MATCHED THEN UPDATE SET
  user_id = e.user_id,
  course_id = e.course_id,
  start_at = e.start_at,
  due_at = e.due_at,
  dates_kept = e.dates_kept,
  state = e.state,
  enrollment_id = e.enrollment_id,
  error_code = e.error_code,
  error_text = e.error_text,
  attempts = l.attempts + CASE WHEN e.state = 'sending' THEN 1 ELSE 0 END,
  last_sent_at = CASE WHEN e.state = 'sending' THEN $now ELSE l.last_sent_at END,
  enrolled_at = CASE WHEN e.state = 'enrolled' THEN $now END,
  run_id = $run_id
WHEN NOT MATCHED THEN INSERT (
  tenant_id, org_id, assignment_id, user_id, course_id, start_at, due_at, dates_kept, state, enrollment_id, error_code,
  error_text, attempts, first_sent_at, last_sent_at, enrolled_at, run_id
) VALUES (
  $tenant_id, $org_id, e.assignment_id, e.user_id, e.course_id, e.start_at, e.due_at, e.dates_kept, e.state,
  e.enrollment_id, e.error_code, e.error_text, 1, $now, $now, CASE WHEN e.state = 'enrolled' THEN $now END, $run_id
);
