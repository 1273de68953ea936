DELETE FROM {{table}} WHERE tenant_id = $tenant_id AND {{key}} IN (SELECT id FROM orphans)
