-- The canonical LearningRecord (docs/facts/learning-records.md): one row per Absorb course enrollment ever seen.
-- created_at and updated_at are the merge's business: this is only what a record says.
CREATE OR REPLACE TEMP TABLE computed AS
WITH
-- Details are read only where LEARNSYNC_ABSORB__DETAIL_STREAMS asks for them; without, these are empty.
cohorts AS (
  SELECT
    course_enrollment_id,
    arg_max(session_id, (coalesce(date_edited, TIMESTAMPTZ '-infinity'), id)) AS session_id
  FROM absorb.session_enrollments
  {{of_due_sessions}}
  WHERE tenant_id = $tenant_id AND _removed_at IS NULL AND session_id IS NOT NULL
  GROUP BY course_enrollment_id
),
scored AS (
  SELECT
    id, user_id, course_id,
    coalesce(start_date, completion_date) AS made_at,
    (
      coalesce(completion_date, TIMESTAMPTZ '-infinity'), coalesce(start_date, TIMESTAMPTZ '-infinity'), id
    ) AS recency
  FROM absorb.attempts
  {{of_due_attempts}}
  WHERE tenant_id = $tenant_id AND _removed_at IS NULL AND score IS NOT NULL
),
-- A learner who was enrolled again has several enrollments in one course, with the same lessons: an attempt, which
-- names none of them, belongs to the one that was the newest when it was made.
spans AS (
  SELECT
    id, user_id, course_id,
    CASE WHEN lag(id) OVER again IS NOT NULL THEN date_added END AS since,
    lead(date_added) OVER again AS until
  FROM absorb.enrollments
  SEMI JOIN scored USING (user_id, course_id)
  WHERE tenant_id = $tenant_id
  WINDOW again AS (PARTITION BY user_id, course_id ORDER BY date_added, id)
),
assessments AS (
  SELECT s.id AS enrollment_id, arg_max(a.id, a.recency) AS attempt_id
  FROM spans AS s
  JOIN scored AS a
    ON a.user_id = s.user_id AND a.course_id = s.course_id
    -- An attempt without any time counts for the newest enrollment.
    AND (s.since IS NULL OR a.made_at IS NULL OR a.made_at >= s.since)
    AND (s.until IS NULL OR a.made_at < s.until)
  GROUP BY s.id
)
SELECT
  {{learning_record_id}} AS id,
  e.tenant_id,
  CAST(NULL AS VARCHAR) AS app_id,
  CAST(NULL AS UUID) AS created_by,
  CAST(NULL AS UUID) AS updated_by,
  'absorb' AS source,
  'api' AS source_type,
  e._removed_at IS NOT NULL AS is_deleted,
  e._removed_at AS deleted_at,
  CAST(NULL AS UUID) AS deleted_by,
  1 AS schema_version,
  e.user_id AS person_id,
  -- The course's own name first: the copy in the enrollment may be as old as the enrollment.
  coalesce(c.name, e.course_name) AS title,
  coalesce(nullif(trim(c.vendor), ''), $provider) AS provider,
  CASE WHEN e.status = 3 THEN e.date_completed END AS completed_at,
  e.date_expires AS expires_at,
  CASE WHEN e.score BETWEEN 0 AND 100 THEN e.score END AS score,
  CASE e.status WHEN 3 THEN true WHEN 5 THEN false END AS passed,
  CAST(e.certificate_id AS VARCHAR) AS certification_ref,
  coalesce(s.session_id, e.course_collection_id) AS linked_cohort_id,
  a.attempt_id AS linked_assessment_id
FROM {{enrollments}} AS e
LEFT JOIN (SELECT id, name, vendor FROM absorb.courses WHERE tenant_id = $tenant_id) AS c ON c.id = e.course_id
LEFT JOIN cohorts AS s ON s.course_enrollment_id = e.id
LEFT JOIN assessments AS a ON a.enrollment_id = e.id
WHERE e.tenant_id = $tenant_id;
