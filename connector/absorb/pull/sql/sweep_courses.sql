-- The courses that the sweep read to the end, or found gone.
CREATE OR REPLACE TEMP TABLE swept_courses AS
SELECT CAST(course_id AS UUID) AS course_id, seen, gone
FROM read_csv(
  $courses,
  auto_detect = false, header = false, delim = ',', quote = '"',
  columns = {'course_id': 'VARCHAR', 'seen': 'BIGINT', 'gone': 'BOOLEAN'}
);
