SELECT sql
FROM duckdb_views()
WHERE database_name = 'warehouse' AND NOT internal AND list_contains($views, schema_name || '.' || view_name)
ORDER BY view_oid
