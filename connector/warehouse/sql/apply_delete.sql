DELETE FROM {{table}} AS held
WHERE held.tenant_id = $tenant_id
  AND NOT EXISTS (SELECT 1 FROM computed WHERE computed.{{key}} = held.{{key}})
