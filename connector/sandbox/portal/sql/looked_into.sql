-- The dateEdited that each enrollment had when its inside was last made or brought forward.
CREATE TABLE IF NOT EXISTS looked_into (enrollment_id TEXT PRIMARY KEY, edited TEXT);
CREATE TRIGGER IF NOT EXISTS looked_into_go AFTER DELETE ON enrollments BEGIN
    DELETE FROM looked_into WHERE enrollment_id = old.key;
END;
