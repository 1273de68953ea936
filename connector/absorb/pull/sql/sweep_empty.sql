-- Courses that answered with no rows at all though rows were known: a role that lost its view looks the same.
SELECT CAST(v.course_id AS VARCHAR), count(*)
FROM vanished AS v
JOIN swept_courses AS c ON c.course_id = v.course_id AND c.seen = 0 AND NOT c.gone
GROUP BY v.course_id
ORDER BY count(*) DESC, v.course_id
