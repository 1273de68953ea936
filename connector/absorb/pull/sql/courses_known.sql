-- Every course not known to be gone, inactive ones too, largest first so that no long walk starts last. A course that
-- answered 404 is asked for a week more: a role that lost its view for an hour looks the same.
SELECT CAST(courses.id AS VARCHAR)
FROM absorb.courses
LEFT JOIN (
  SELECT course_id, count(*) AS size FROM absorb.enrollments WHERE tenant_id = $tenant_id GROUP BY course_id
) AS sizes ON sizes.course_id = courses.id
WHERE courses.tenant_id = $tenant_id
  AND (courses._removed_at IS NULL OR courses._removed_at > now() - INTERVAL 7 DAY OR $gone_too)
ORDER BY coalesce(size, 0) DESC, courses.id;
