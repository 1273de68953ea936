-- Every id that the sweep saw.
CREATE OR REPLACE TEMP TABLE swept AS
SELECT DISTINCT stream, TRY_CAST(id AS UUID) AS id
FROM read_csv(
  $ids,
  auto_detect = false, header = false, delim = ',', quote = '"',
  columns = {'stream': 'VARCHAR', 'id': 'VARCHAR'}
);
