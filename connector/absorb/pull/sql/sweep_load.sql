-- Every id that the sweep saw, and the courses it read to the end.
CREATE OR REPLACE TEMP TABLE swept AS
SELECT DISTINCT TRY_CAST(id AS UUID) AS id
FROM read_csv($ids, auto_detect = false, header = false, delim = ',', quote = '"', columns = {'course_id': 'VARCHAR', 'id': 'VARCHAR'});

CREATE OR REPLACE TEMP TABLE swept_courses AS
SELECT CAST(course_id AS UUID) AS course_id, seen, gone
FROM read_csv($courses, auto_detect = false, header = false, delim = ',', quote = '"', columns = {'course_id': 'VARCHAR', 'seen': 'BIGINT', 'gone': 'BOOLEAN'});
