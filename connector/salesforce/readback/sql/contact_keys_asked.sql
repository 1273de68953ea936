-- The keys that contacts have just been asked for by.
CREATE OR REPLACE TEMP TABLE asked AS
SELECT DISTINCT digest
FROM read_json($file, columns = {'digest': 'VARCHAR'}, format = 'newline_delimited')
WHERE digest IS NOT NULL
