SELECT e.id
FROM absorb.enrollments AS e
WHERE e.tenant_id = $tenant_id
  AND e.course_id IN (SELECT CAST(id AS UUID) FROM noted WHERE stream IN ('courses', 'salesforce.item_matches'))
