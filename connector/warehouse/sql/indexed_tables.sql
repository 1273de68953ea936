-- Tables with a primary key.
SELECT schema_name, table_name
FROM duckdb_constraints()
WHERE database_name = current_database() AND constraint_type = 'PRIMARY KEY'
ORDER BY ALL
