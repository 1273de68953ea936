-- Rows whose status no map knows: kept in absorb.enrollments, listed here, in no target (docs/status-map.md).
INSERT INTO ops.quarantine
  (tenant_id, stream, source_id, stage, raw, field, reason, first_seen, last_seen, attempts, run_id, resolved_at)
SELECT
  e.tenant_id, 'enrollments', CAST(e.id AS VARCHAR), 'map', to_json(e), 'status', 'unmapped status ' || e.status,
  $seen_at, $seen_at, 1, $run_id, NULL
FROM (SELECT * EXCLUDE (learning_record_id) FROM due_enrollments) AS e
WHERE e.status NOT IN ({{known_statuses}})
ON CONFLICT (tenant_id, stream, source_id, stage) DO UPDATE SET
  raw = excluded.raw,
  reason = excluded.reason,
  last_seen = excluded.last_seen,
  attempts = attempts + 1,
  run_id = excluded.run_id,
  -- What an operator has settled stays settled until the row changes.
  resolved_at = CASE WHEN raw = excluded.raw THEN resolved_at END;
