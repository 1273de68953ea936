-- What the warehouse holds of the staged rows.
CREATE OR REPLACE TEMP TABLE stored AS
SELECT {{columns}}, _removed_at
FROM absorb.{{stream}}
SEMI JOIN staged USING (id)
WHERE tenant_id = $tenant_id;
