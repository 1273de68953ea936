-- Rows of the warehouse that the file has not (new_row), and rows of the file that the warehouse has not (gone_row).
CREATE OR REPLACE TEMP TABLE {{differing}} AS
SELECT now.row AS new_row, last.row AS gone_row, hash, coalesce(now.person, last.person) AS person
FROM
  published_now AS now
  FULL JOIN (SELECT rowid AS row, {{person}} AS person, {{hashed}} AS hash FROM last.{{place}}) AS last USING (hash)
WHERE now.row IS NULL OR last.row IS NULL
