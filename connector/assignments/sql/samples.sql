-- A few assignments per outcome, in the order in which they are dealt with; each is one struct.
SELECT s
FROM (
  SELECT
    outcome,
    assignment_id,
    learner,
    course,
    CAST(user_id AS VARCHAR) AS user_id,
    CAST(course_id AS VARCHAR) AS course_id,
    CAST(start_at AS VARCHAR) AS start_at,
    CAST(due_at AS VARCHAR) AS due_at,
    CASE WHEN outcome = 'held' THEN error_code END AS error_code,
    CASE WHEN outcome = 'held' THEN error_text END AS error_text
  FROM assignment_plan
  QUALIFY row_number() OVER (PARTITION BY outcome ORDER BY assignment_id) <= $most
) AS s
ORDER BY s.outcome, s.assignment_id
