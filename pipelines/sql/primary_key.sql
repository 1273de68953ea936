SELECT constraint_column_names
FROM duckdb_constraints()
WHERE database_name = current_database() AND schema_name = $schema AND table_name = $table
  AND constraint_type = 'PRIMARY KEY'
