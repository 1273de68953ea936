INSERT INTO ops.runs (run_id, tenant_id, command, started_at)
VALUES ($run_id, $tenant_id, $command, $started_at)
ON CONFLICT (run_id) DO NOTHING
