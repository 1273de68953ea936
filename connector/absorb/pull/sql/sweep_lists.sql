-- The lists that the sweep read to the end, and courses that it found gone. A scope is a course, or * for a whole list.
CREATE OR REPLACE TEMP TABLE swept_lists AS
SELECT stream, lower(scope) AS scope, seen, gone
FROM read_csv(
  $lists,
  auto_detect = false, header = false, delim = ',', quote = '"',
  columns = {'stream': 'VARCHAR', 'scope': 'VARCHAR', 'seen': 'BIGINT', 'gone': 'BOOLEAN'}
);
