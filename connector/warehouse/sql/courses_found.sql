-- Courses that answered are not missing (any more).
DELETE FROM ops.courses_missing
WHERE tenant_id = $tenant_id
  AND CAST(course_id AS VARCHAR) IN (SELECT unnest(from_json(CAST($scopes AS JSON), '["VARCHAR"]')));
