-- Rows that computed does not have.
CREATE OR REPLACE TEMP TABLE orphans AS
SELECT held.{{key}} AS id
FROM {{table}} AS held
WHERE held.tenant_id = $tenant_id AND held.{{key}} NOT IN (SELECT {{key}} FROM computed)
