-- The source rows in quarantine that are meant; an empty list of streams or ids means any.
SELECT stream, source_id, stage, field, reason, attempts, last_seen, raw
FROM ops.quarantine
WHERE tenant_id = $tenant_id AND resolved_at IS NULL AND NOT $only_pushes
  AND (len($streams) = 0 OR list_contains($streams, stream))
  AND (len($ids) = 0 OR list_contains($ids, source_id))
