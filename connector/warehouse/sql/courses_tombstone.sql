-- Courses that the portal says are gone (404); a row keeps the instant at which it was first found to be gone.
UPDATE absorb.courses SET _removed_at = $now
WHERE tenant_id = $tenant_id AND _removed_at IS NULL
  AND CAST(id AS VARCHAR) IN (SELECT unnest(from_json(CAST($ids AS JSON), '["VARCHAR"]')))
