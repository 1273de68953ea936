UPDATE absorb.{{stream}} AS held
SET {{assignments}}, _loaded_at = $loaded_at, _run_id = $run_id, _removed_at = NULL
FROM (SELECT * FROM staged SEMI JOIN (SELECT id FROM delta WHERE NOT is_new) AS changed USING (id)) AS staged
WHERE held.tenant_id = $tenant_id AND held.id = staged.id;
