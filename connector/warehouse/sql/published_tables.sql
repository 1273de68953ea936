-- What each table of the published file holds.
INSERT INTO ops.published_tables
SELECT each.table_name, each.rows, each.total, each.kept_back
FROM (SELECT unnest($tables) AS each)
