-- What the warehouse holds of the staged rows.
CREATE OR REPLACE TEMP TABLE stored AS
SELECT {{columns}}, _removed_at
FROM absorb.{{stream}} AS held
SEMI JOIN staged ON staged.id = held.id
WHERE tenant_id = $tenant_id;
