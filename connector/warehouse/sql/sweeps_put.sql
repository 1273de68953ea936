-- Lists that were read whole and compared.
INSERT INTO ops.sweeps
SELECT $tenant_id, unnest(CAST($streams AS VARCHAR[])), $swept_at, $run_id
ON CONFLICT (tenant_id, stream) DO UPDATE SET swept_at = excluded.swept_at, run_id = excluded.run_id
