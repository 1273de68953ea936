UPDATE ops.runs SET
  finished_at = $now,
  outcome = 'interrupted',
  message = 'the process ended before the run did (killed, or the machine stopped)'
WHERE tenant_id = $tenant_id AND command = $command AND run_id <> $run_id AND finished_at IS NULL
