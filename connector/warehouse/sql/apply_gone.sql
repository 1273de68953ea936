-- Rows that computed does not have: is_new is null.
INSERT INTO changes ({{key}})
SELECT held.{{key}}
FROM {{table}} AS held
WHERE held.tenant_id = $tenant_id
  AND NOT EXISTS (SELECT 1 FROM computed WHERE computed.{{key}} = held.{{key}})
