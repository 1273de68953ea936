SELECT CAST(id AS VARCHAR), CAST(course_id AS VARCHAR), CAST(kept_course_id AS VARCHAR), raw
FROM ({{landed_rows}})
JOIN strays USING (seq)
ORDER BY seq
