SELECT column_name, data_type, is_nullable = 'YES'
FROM information_schema.columns
WHERE table_catalog = current_database() AND table_schema = $schema AND table_name = $table
ORDER BY ordinal_position
