-- The courses of the portal.
INSERT INTO absorb.courses BY NAME
SELECT
  'default' AS tenant_id,
  id,
  'OnlineCourse' AS course_type,
  name,
  0 AS active_status,
  now() - INTERVAL 4 HOUR AS date_edited,
  now() - INTERVAL 90 DAY AS date_added,
  now() AS _loaded_at,
  'bench' AS _run_id
FROM bench_courses
