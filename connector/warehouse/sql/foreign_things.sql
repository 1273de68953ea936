-- What a DuckDB file holds that learnsync did not make: anything, in a file without the table of our migrations and the
-- first one that they make.
SELECT schema_name || '.' || name
FROM (
  SELECT database_name, schema_name, table_name AS name FROM duckdb_tables()
  UNION ALL
  SELECT database_name, schema_name, view_name FROM duckdb_views() WHERE NOT internal
) AS things
WHERE things.database_name = $database AND NOT EXISTS (
  SELECT 1 FROM duckdb_columns() AS c
  WHERE c.database_name = $database AND c.schema_name = 'ops' AND c.table_name = 'migrations'
    AND c.column_name = 'version' AND c.data_type = 'INTEGER'
) OR things.database_name = $database AND NOT EXISTS (
  SELECT 1 FROM duckdb_tables() AS t
  WHERE t.database_name = $database AND t.schema_name = 'absorb' AND t.table_name = 'enrollments'
)
ORDER BY ALL
