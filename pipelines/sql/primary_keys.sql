-- The primary keys of some tables, each named schema.table.
SELECT schema_name || '.' || table_name, constraint_column_names
FROM duckdb_constraints()
WHERE database_name = current_database() AND constraint_type = 'PRIMARY KEY'
  AND list_contains($tables, schema_name || '.' || table_name)
