UPDATE absorb.{{stream}} SET _removed_at = $now, _run_id = $run_id
WHERE tenant_id = $tenant_id AND id IN (SELECT id FROM vanished WHERE stream = $stream)
