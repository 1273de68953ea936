-- What an LMS_Course__c record is made of. A course that is only known from its enrollments is sent too: they need it.
SELECT
  CAST(coalesce(c.id, e.course_id) AS VARCHAR) AS external_id,
  external_id AS course_id,
  left(coalesce(c.name, e.course_name, external_id), 80) AS name,
  left(coalesce(c.name, e.course_name), 255) AS full_name,
  left(c.course_type, 40) AS course_type,
  left(c.vendor, 255) AS vendor,
  c.id IS NOT NULL AND c._removed_at IS NULL AND coalesce(c.active_status, 0) = 0 AS active,
  left(c.external_id, 255) AS external_reference,
  external_id AS sort_key,
  CAST(NULL AS VARCHAR) AS blocked
FROM (SELECT * FROM absorb.courses WHERE tenant_id = $tenant_id) AS c
FULL JOIN (
  SELECT course_id, max(course_name) AS course_name FROM absorb.enrollments WHERE tenant_id = $tenant_id GROUP BY course_id
) AS e ON e.course_id = c.id
