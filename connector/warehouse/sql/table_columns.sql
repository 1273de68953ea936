-- Each column as a new table declares it, and its comment.
SELECT
  '"' || replace(column_name, '"', '""') || '" ' || data_type
    || CASE WHEN is_nullable THEN '' ELSE ' NOT NULL' END
    || CASE WHEN column_default IS NULL THEN '' ELSE ' DEFAULT (' || column_default || ')' END,
  column_name,
  comment
FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = $schema AND table_name = $table
ORDER BY column_index
