-- Courses that answered 404 to an earlier run too are gone: one 404 may be a role that lost its view for a moment.
UPDATE absorb.courses SET _removed_at = $now
WHERE tenant_id = $tenant_id AND _removed_at IS NULL
  AND CAST(id AS VARCHAR) IN (SELECT unnest(from_json(CAST($ids AS JSON), '["VARCHAR"]')))
  AND id IN (
    SELECT course_id FROM ops.courses_missing WHERE tenant_id = $tenant_id AND first_met_at < $begun_at
  )
RETURNING id
