-- What an LMS_Course__c record is made of. A course that is only known from its enrollments is sent too: they need it.
WITH named AS (
  SELECT
    CAST(coalesce(c.id, e.course_id) AS VARCHAR) AS course_id,
    coalesce(c.name, e.course_name) AS title,
    c.course_type,
    c.vendor,
    c.external_id AS external_reference,
    c.id IS NOT NULL AND c._removed_at IS NULL AND coalesce(c.active_status, 0) = 0 AS active
  FROM (SELECT * FROM absorb.courses WHERE tenant_id = $tenant_id) AS c
  FULL JOIN (
    SELECT course_id, max(course_name) AS course_name FROM absorb.enrollments WHERE tenant_id = $tenant_id GROUP BY course_id
  ) AS e ON e.course_id = c.id
)
SELECT
  course_id AS external_id,
  course_id,
  coalesce(title, course_id) AS name,
  title AS full_name,
  course_type,
  vendor,
  active,
  external_reference,
  course_id AS sort_key,
  CAST(NULL AS VARCHAR) AS blocked
FROM named
