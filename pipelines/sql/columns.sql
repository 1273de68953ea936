-- The columns of some tables, each named schema.table.
SELECT schema_name || '.' || table_name, column_name, data_type, is_nullable
FROM duckdb_columns()
WHERE database_name = current_database() AND list_contains($tables, schema_name || '.' || table_name)
ORDER BY schema_name, table_name, column_index
