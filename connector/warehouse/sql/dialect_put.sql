INSERT INTO ops.dialects
VALUES ($tenant_id, $portal, $stream, $dialect, $refusal, $found_at)
ON CONFLICT (tenant_id, portal, stream) DO UPDATE SET
  dialect = excluded.dialect,
  refusal = excluded.refusal,
  found_at = excluded.found_at;
