-- The rows of one object as just read, typed, each id once.
CREATE OR REPLACE TEMP TABLE staged AS
SELECT {{values}}
FROM read_json($files, columns = {{{shape}}}, format = 'newline_delimited', maximum_object_size = 67108864)
QUALIFY row_number() OVER (PARTITION BY "Id" ORDER BY "SystemModstamp" DESC NULLS LAST) = 1
