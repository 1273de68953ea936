-- What is to be done about each assignment that was read from Salesforce, in the temp table `assignment_plan`.
-- A reference is a Salesforce id (its first 15 characters are the id, the other three a checksum) or an Absorb GUID. One
-- that leads to several learners or courses is ambiguous, unless only one of them is active.
CREATE OR REPLACE TEMP TABLE assignment_plan AS
WITH asked AS (
  SELECT assignment_id, trim(learner) AS learner, trim(course) AS course, start_at, due_at
  FROM read_json(
    $files,
    columns = {
      'assignment_id': 'VARCHAR', 'learner': 'VARCHAR', 'course': 'VARCHAR',
      'start_at': 'TIMESTAMPTZ', 'due_at': 'TIMESTAMPTZ'
    },
    format = 'newline_delimited'
  )
  -- A record that changes while pages are read may come twice.
  QUALIFY row_number() OVER (PARTITION BY assignment_id ORDER BY learner, course) = 1
),
-- Who is meant: one learner, or several who share the person. A learner whose match became ambiguous is remembered by whom
-- they were matched to last.
person_ids AS (
  SELECT coalesce(salesforce_user_id, salesforce_contact_id, shared_id) AS person, user_id, true AS sure
  FROM salesforce.learner_matches
  WHERE tenant_id = $tenant_id AND outcome IN ('matched', 'collision')
  UNION ALL
  SELECT unnest([last_user_id, last_contact_id]), user_id, false
  FROM salesforce.learner_matches
  WHERE tenant_id = $tenant_id AND outcome = 'ambiguous'
),
learner_hits AS (
  SELECT a.learner, TRY_CAST(a.learner AS UUID) AS user_id, true AS sure
  FROM (SELECT DISTINCT learner FROM asked WHERE TRY_CAST(learner AS UUID) IS NOT NULL) AS a
  UNION ALL
  SELECT a.learner, p.user_id, p.sure
  FROM (SELECT DISTINCT learner FROM asked WHERE length(learner) IN (15, 18)) AS a
  JOIN person_ids AS p ON left(p.person, 15) = left(a.learner, 15)
),
learners AS (
  SELECT learner, min(user_id) AS user_id, count(DISTINCT user_id) = 1 AND bool_and(sure) AS sure, bool_or(active) AS active
  FROM (
    SELECT h.*, u._removed_at IS NULL AND coalesce(u.active_status, 0) = 0 AS active
    FROM learner_hits AS h
    JOIN absorb.users AS u ON u.tenant_id = $tenant_id AND u.id = h.user_id
    QUALIFY active = bool_or(active) OVER (PARTITION BY h.learner)
  )
  GROUP BY learner
),
-- Which course is meant. A course that shares its name, or its item's name, with another is matched to none of them.
item_ids AS (
  SELECT learning_item_id AS item, course_id, true AS sure
  FROM salesforce.item_matches
  WHERE tenant_id = $tenant_id AND outcome = 'matched'
  UNION ALL
  SELECT i."Id", m.course_id, false
  FROM salesforce.item_matches AS m
  JOIN absorb.courses AS c ON c.tenant_id = m.tenant_id AND c.id = m.course_id
  JOIN salesforce.learning_items AS i
    ON i.tenant_id = m.tenant_id AND i._removed_at IS NULL AND lower(trim(i."Name")) = lower(trim(c.name))
  WHERE m.tenant_id = $tenant_id AND m.outcome = 'ambiguous' AND m.rule = 'name'
),
course_hits AS (
  SELECT a.course, TRY_CAST(a.course AS UUID) AS course_id, true AS sure
  FROM (SELECT DISTINCT course FROM asked WHERE TRY_CAST(course AS UUID) IS NOT NULL) AS a
  UNION ALL
  SELECT a.course, i.course_id, i.sure
  FROM (SELECT DISTINCT course FROM asked WHERE length(course) IN (15, 18)) AS a
  JOIN item_ids AS i ON left(i.item, 15) = left(a.course, 15)
),
courses AS (
  SELECT course, min(course_id) AS course_id, count(DISTINCT course_id) = 1 AND bool_and(sure) AS sure, bool_or(active) AS active
  FROM (
    SELECT h.*, c._removed_at IS NULL AND coalesce(c.active_status, 0) = 0 AS active
    FROM course_hits AS h
    JOIN absorb.courses AS c ON c.tenant_id = $tenant_id AND c.id = h.course_id
    QUALIFY active = bool_or(active) OVER (PARTITION BY h.course)
  )
  GROUP BY course
),
-- What is known of each pair: an enrollment that vanished was taken away by somebody, and is not given back.
pairs AS (
  SELECT user_id, course_id, max(id) FILTER (WHERE _removed_at IS NULL) AS live, true AS known
  FROM absorb.enrollments
  WHERE tenant_id = $tenant_id
  GROUP BY ALL
),
-- Whom learnsync enrolled. Until a pull that began later has read the course, they are enrolled as far as anybody knows.
ours AS (
  SELECT
    a.user_id,
    a.course_id,
    arg_max(a.enrollment_id, coalesce(a.enrolled_at, a.last_sent_at)) AS enrollment_id,
    coalesce(max(coalesce(r.started_at, w.completed_at)) > max(coalesce(a.enrolled_at, a.last_sent_at)), false) AS read_since
  FROM ops.assignments AS a
  LEFT JOIN ops.watermarks AS w
    ON w.tenant_id = a.tenant_id AND w.stream = 'enrollments' AND w.scope_id = CAST(a.course_id AS VARCHAR)
  LEFT JOIN ops.runs AS r ON r.run_id = w.run_id
  WHERE a.tenant_id = $tenant_id AND a.state = 'enrolled'
  GROUP BY a.user_id, a.course_id
),
judged AS (
  SELECT
    a.*,
    l.user_id,
    c.course_id,
    coalesce(p.live, CASE WHEN p.known IS NULL THEN o.enrollment_id END) AS enrollment_id,
    held.error_code,
    held.error_text,
    coalesce(held.attempts, 0) AS attempts,
    CASE
      WHEN l.user_id IS NULL THEN 'unknown_learner'
      WHEN NOT l.sure THEN 'ambiguous_learner'
      WHEN c.course_id IS NULL THEN 'unknown_course'
      WHEN NOT c.sure THEN 'ambiguous_course'
      WHEN p.live IS NOT NULL THEN 'enrolled'
      WHEN p.known IS NULL AND o.user_id IS NOT NULL AND NOT o.read_since THEN 'enrolled'
      WHEN p.known OR o.user_id IS NOT NULL OR held.state = 'enrolled' THEN 'done'
      WHEN NOT l.active THEN 'inactive_learner'
      WHEN NOT c.active THEN 'inactive_course'
      WHEN held.state = 'rejected' AND held.user_id = l.user_id AND held.course_id = c.course_id AND NOT $retry THEN 'held'
      ELSE 'enroll'
    END AS outcome
  FROM asked AS a
  LEFT JOIN learners AS l ON l.learner = a.learner
  LEFT JOIN courses AS c ON c.course = a.course
  LEFT JOIN pairs AS p ON p.user_id = l.user_id AND p.course_id = c.course_id
  LEFT JOIN ours AS o ON o.user_id = l.user_id AND o.course_id = c.course_id
  LEFT JOIN ops.assignments AS held
    ON held.tenant_id = $tenant_id AND held.org_id = $org_id AND held.assignment_id = a.assignment_id
)
SELECT
  * REPLACE (
    CASE
      WHEN outcome IN ('enroll', 'held')
        AND row_number() OVER (PARTITION BY user_id, course_id, outcome IN ('enroll', 'held') ORDER BY assignment_id) > 1
        THEN 'duplicate'
      ELSE outcome
    END AS outcome
  )
FROM judged
