-- Whose rows the tenant's are, from now on.
INSERT INTO ops.identity VALUES ($tenant_id, $system, $id, $kind, $url, $now, $run_id)
ON CONFLICT (tenant_id, system) DO UPDATE SET
  id = excluded.id,
  kind = excluded.kind,
  url = excluded.url,
  noted_at = excluded.noted_at,
  run_id = excluded.run_id
