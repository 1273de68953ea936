-- The fields that the portal stopped serving; an empty list means any. Objects and codes mean pushes only.
SELECT stream, field, vanished_at AS since
FROM ops.fields
WHERE tenant_id = $tenant_id AND vanished_at IS NOT NULL
  AND len($objects) = 0 AND len($codes) = 0 AND len($ids) = 0
  AND (len($streams) = 0 OR list_contains($streams, stream))
