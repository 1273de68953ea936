SELECT CAST(id AS UUID) AS id FROM noted WHERE stream = 'enrollments'
