SELECT kind, count(*) FROM salesforce.drift WHERE tenant_id = $tenant_id GROUP BY ALL ORDER BY ALL
