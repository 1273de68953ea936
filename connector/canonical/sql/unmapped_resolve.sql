-- A row that this build looked at and did not meet again has a status that a map knows by now.
UPDATE ops.quarantine SET resolved_at = $seen_at
WHERE tenant_id = $tenant_id AND stage = 'map' AND resolved_at IS NULL AND last_seen < $seen_at
  AND {{among}};
