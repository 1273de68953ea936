-- Enrollments whose inside was never looked into, or not since they were edited.
SELECT e.key, e.date_edited, e.course_id, e.json, l.edited
FROM enrollments AS e
LEFT JOIN looked_into AS l ON l.enrollment_id = e.key
WHERE e.{column} = ? AND (l.edited IS NULL OR l.edited <> e.date_edited)
ORDER BY e.seq
