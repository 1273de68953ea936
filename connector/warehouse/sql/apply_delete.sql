DELETE FROM {{table}} AS held
USING (SELECT {{key}} FROM changes WHERE is_new IS NULL) AS gone
WHERE held.tenant_id = $tenant_id AND held.{{key}} = gone.{{key}}
