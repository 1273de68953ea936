SELECT table_name, inputs FROM ops.built WHERE tenant_id = $tenant_id
