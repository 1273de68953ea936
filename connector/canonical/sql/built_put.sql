INSERT INTO ops.built VALUES ($tenant_id, $table_name, $inputs)
