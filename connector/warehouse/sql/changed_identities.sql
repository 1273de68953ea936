-- Enrollments whose dateAdded changes: the id of their LearningRecord is made of it, so that they get another one.
SELECT count(*)
FROM stored
JOIN staged ON staged.id = stored.id
WHERE stored.date_added IS DISTINCT FROM staged.date_added
