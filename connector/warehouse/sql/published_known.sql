SELECT count(*)
FROM duckdb_columns()
WHERE database_name = 'looked_at' AND schema_name = 'ops' AND table_name = 'published' AND column_name = 'schema_version'
