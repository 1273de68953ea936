-- The enrollments that changed places in sessions belong to, and belonged to.
SELECT course_enrollment_id AS id
FROM (SELECT id, course_enrollment_id FROM staged UNION ALL SELECT id, course_enrollment_id FROM stored)
SEMI JOIN delta USING (id)
