-- Make {{table}} equal to `computed` for one tenant, touching only what differs.
CREATE OR REPLACE TEMP TABLE changed AS
SELECT computed.*, held.{{key}} IS NULL AS _is_new
FROM computed
LEFT JOIN {{table}} AS held ON held.tenant_id = computed.tenant_id AND held.{{key}} = computed.{{key}}
WHERE held.{{key}} IS NULL OR ({{held}}) IS DISTINCT FROM ({{computed}});

DELETE FROM {{table}} AS held
WHERE held.tenant_id = $tenant_id
  AND NOT EXISTS (SELECT 1 FROM computed WHERE computed.{{key}} = held.{{key}});
