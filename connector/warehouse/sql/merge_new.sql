INSERT INTO absorb.{{stream}} ({{columns}}, tenant_id, _loaded_at, _run_id)
SELECT {{columns}}, $tenant_id, $loaded_at, $run_id
FROM staged
SEMI JOIN (SELECT id FROM delta WHERE is_new) AS new USING (id);
