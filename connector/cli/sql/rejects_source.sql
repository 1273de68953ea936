-- The source rows in quarantine that are meant; an empty list means any. Objects and codes mean pushes only.
SELECT stream, source_id, stage, field, reason, attempts, last_seen, raw
FROM ops.quarantine
WHERE tenant_id = $tenant_id AND resolved_at IS NULL AND len($objects) = 0 AND len($codes) = 0
  AND (len($streams) = 0 OR list_contains($streams, stream))
  AND (len($ids) = 0 OR list_contains($ids, source_id))
