INSERT OR REPLACE INTO ops.builds VALUES ($tenant_id, $as_of, $maps)
