-- Every course not known to be gone, inactive ones too, largest first so that no long walk starts last. A course that
-- answered 404 is asked for a week more: a role that lost its view for an hour looks the same. A course whose own row is
-- in quarantine has enrollments as well.
SELECT CAST(courses.id AS VARCHAR)
FROM (
  SELECT id, _removed_at FROM absorb.courses WHERE tenant_id = $tenant_id
  UNION ALL
  SELECT unloaded.id, missing.first_met_at
  FROM (
    SELECT TRY_CAST(source_id AS UUID) AS id
    FROM ops.quarantine
    WHERE tenant_id = $tenant_id AND stream = 'courses' AND stage = 'load' AND length(source_id) = 36
  ) AS unloaded
  ANTI JOIN (SELECT id FROM absorb.courses WHERE tenant_id = $tenant_id) AS loaded ON loaded.id = unloaded.id
  LEFT JOIN ops.courses_missing AS missing ON missing.tenant_id = $tenant_id AND missing.course_id = unloaded.id
  WHERE unloaded.id IS NOT NULL
) AS courses
LEFT JOIN (
  SELECT course_id, count(*) AS size FROM absorb.enrollments WHERE tenant_id = $tenant_id GROUP BY course_id
) AS sizes ON sizes.course_id = courses.id
WHERE courses._removed_at IS NULL OR courses._removed_at > now() - INTERVAL 7 DAY OR $gone_too
ORDER BY coalesce(size, 0) DESC, courses.id;
