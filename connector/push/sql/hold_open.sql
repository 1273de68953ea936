-- Holds of one object, or of all where $object is null, that wait for somebody or are being sent.
SELECT id, object, reason, counts, plan_hash, created_at, approved_at
FROM ops.holds
WHERE tenant_id = $tenant_id AND resolved_at IS NULL
  AND ($object IS NULL OR object = $object) AND ($org_id IS NULL OR org_id = $org_id)
ORDER BY created_at, id
