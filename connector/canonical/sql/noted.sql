CREATE OR REPLACE TEMP TABLE noted AS
SELECT DISTINCT stream, id
FROM ops.changed
WHERE tenant_id = $tenant_id AND consumer IN (SELECT unnest(CAST($consumers AS VARCHAR[])))
