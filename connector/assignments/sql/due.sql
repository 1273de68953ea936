-- Assignments to enroll. Those that failed before go last, so that a limit is not used up on them each time.
SELECT assignment_id, CAST(user_id AS VARCHAR) AS user_id, CAST(course_id AS VARCHAR) AS course_id, start_at, due_at
FROM assignment_plan
WHERE outcome = 'enroll'
ORDER BY attempts, assignment_id
