DELETE FROM ops.built WHERE tenant_id = $tenant_id AND table_name = $table_name
