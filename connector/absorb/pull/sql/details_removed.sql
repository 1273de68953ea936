-- Rows that an answer, read whole, no longer has. An answer speaks for the course enrollments that its rows name; an
-- empty one for the pair's current enrollment. What a former enrollment left behind is history and stays.
UPDATE absorb.{{stream}} AS held
SET _removed_at = $now, _run_id = $run_id
WHERE held.tenant_id = $tenant_id
  AND held._removed_at IS NULL
  AND held.course_enrollment_id IN (
    SELECT unnest(from_json(CAST($named AS JSON), '["UUID"]'))
    UNION ALL
    SELECT current.id
    FROM absorb.enrollments AS current
    SEMI JOIN (
      SELECT unnest(from_json(CAST($empty AS JSON), '[{"user_id": "UUID", "course_id": "UUID"}]'), recursive := true)
    ) AS answered USING (user_id, course_id)
    WHERE current.tenant_id = $tenant_id AND current.is_active
  )
  AND held.id NOT IN (SELECT unnest(from_json(CAST($served AS JSON), '["UUID"]')))
RETURNING held.course_enrollment_id;
