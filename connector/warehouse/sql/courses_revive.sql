-- Courses that answered, though they had been gone.
UPDATE absorb.courses SET _removed_at = NULL
WHERE tenant_id = $tenant_id AND _removed_at IS NOT NULL
  AND CAST(id AS VARCHAR) IN (SELECT unnest(from_json(CAST($scopes AS JSON), '["VARCHAR"]')))
RETURNING id
