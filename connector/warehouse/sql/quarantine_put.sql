INSERT INTO ops.quarantine
  (tenant_id, stream, source_id, stage, raw, field, reason, first_seen, last_seen, attempts, run_id, resolved_at)
SELECT $tenant_id, $stream, source_id, $stage, CAST(raw AS JSON), field, reason, $seen_at, $seen_at, 1, $run_id, NULL
FROM (
  SELECT unnest(from_json(CAST($rejects AS JSON), '[{
    "source_id": "VARCHAR", "raw": "VARCHAR", "field": "VARCHAR", "reason": "VARCHAR"
  }]'), recursive := true)
)
WHERE true
ON CONFLICT (tenant_id, stream, source_id, stage) DO UPDATE SET
  raw = excluded.raw,
  field = excluded.field,
  reason = excluded.reason,
  last_seen = excluded.last_seen,
  attempts = attempts + 1,
  run_id = excluded.run_id,
  resolved_at = NULL;
