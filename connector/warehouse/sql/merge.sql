MERGE INTO absorb.{{stream}} AS held
USING delta ON held.tenant_id = $tenant_id AND held.id = delta.id
WHEN MATCHED THEN UPDATE SET {{assignments}}, _loaded_at = $loaded_at, _run_id = $run_id, _removed_at = NULL
WHEN NOT MATCHED THEN INSERT ({{columns}}, tenant_id, _loaded_at, _run_id)
  VALUES ({{delta}}, $tenant_id, $loaded_at, $run_id);
