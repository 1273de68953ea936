-- The canonical LearningRecord (seed 002): one row per Absorb course enrollment ever seen.
-- created_at and updated_at are the merge's business: this is only what a record says.
CREATE OR REPLACE TEMP TABLE computed AS
SELECT
  learning_record_id(e.tenant_id, 'absorb', e.id, e.date_added) AS id,
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
  e.course_collection_id AS linked_cohort_id,
  CAST(NULL AS UUID) AS linked_assessment_id
FROM absorb.enrollments AS e
LEFT JOIN absorb.courses AS c ON c.tenant_id = e.tenant_id AND c.id = e.course_id
WHERE e.tenant_id = $tenant_id;
