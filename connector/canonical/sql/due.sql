-- The enrollments to compute, in parts of so many. With attempts, also what else the learner has in the course: an attempt
-- is counted for one of these enrollments, and which one that is depends on all of them.
CREATE OR REPLACE TEMP TABLE due AS
WITH first AS MATERIALIZED ({{first}}),
again AS (
  SELECT user_id, course_id
  FROM absorb.enrollments
  SEMI JOIN first USING (id)
  WHERE tenant_id = $tenant_id AND EXISTS (SELECT 1 FROM absorb.attempts WHERE tenant_id = $tenant_id)
),
found AS (
  SELECT id FROM first
  UNION
  SELECT id FROM absorb.enrollments SEMI JOIN again USING (user_id, course_id) WHERE tenant_id = $tenant_id
)
SELECT id, (row_number() OVER () - 1) // $size AS part FROM found
