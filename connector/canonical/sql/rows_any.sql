SELECT count(*) FROM (FROM {{table}} WHERE tenant_id = $tenant_id LIMIT 1)
