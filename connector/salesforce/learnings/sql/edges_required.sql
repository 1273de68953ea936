-- Course → the courses that it requires.
SELECT course_id, list(other_id) FROM catalogue_edges WHERE known AND kind = 'prerequisite' GROUP BY ALL;
