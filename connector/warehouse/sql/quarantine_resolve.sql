-- A row whose latest reading fits settles the quarantine of its id.
UPDATE ops.quarantine SET resolved_at = $seen_at
WHERE tenant_id = $tenant_id AND stream = $stream AND stage = 'load' AND resolved_at IS NULL
  AND source_id IN (
    SELECT CAST(id AS VARCHAR) FROM staged_all GROUP BY id HAVING NOT arg_max(_unfit, seq)
  );
