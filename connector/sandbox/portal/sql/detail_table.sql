-- One stream inside course enrollments; its rows go with their enrollment, whichever way that goes.
CREATE TABLE IF NOT EXISTS {name} (
    seq INTEGER PRIMARY KEY, key TEXT UNIQUE, name TEXT, date_edited TEXT, date_added TEXT, json TEXT,
    enrollment_id TEXT, course_id TEXT, user_id TEXT, item_id TEXT, parent_id TEXT, status INTEGER
);
CREATE INDEX IF NOT EXISTS {name}_by_enrollment ON {name} (enrollment_id);
CREATE INDEX IF NOT EXISTS {name}_by_item ON {name} (course_id, item_id, date_edited, key);
CREATE TRIGGER IF NOT EXISTS {name}_go AFTER DELETE ON enrollments BEGIN
    DELETE FROM {name} WHERE enrollment_id = old.key;
END;
