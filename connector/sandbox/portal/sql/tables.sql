-- Every row as the JSON text that is served, beside the columns that lists are filtered and sorted by.
CREATE TABLE users (seq INTEGER PRIMARY KEY, key TEXT UNIQUE, name TEXT, date_edited TEXT, date_added TEXT, json TEXT);
CREATE TABLE courses (seq INTEGER PRIMARY KEY, key TEXT UNIQUE, name TEXT, date_edited TEXT, date_added TEXT, json TEXT);
CREATE TABLE departments (seq INTEGER PRIMARY KEY, key TEXT UNIQUE, name TEXT, date_edited TEXT, date_added TEXT, json TEXT);
CREATE TABLE enrollments (
    seq INTEGER PRIMARY KEY, key TEXT UNIQUE, name TEXT, date_edited TEXT, date_added TEXT, json TEXT,
    course_id TEXT, user_id TEXT, status INTEGER, is_active INTEGER
);
CREATE INDEX users_by_name ON users (name);
CREATE INDEX courses_by_name ON courses (name);
CREATE INDEX enrollments_by_edit ON enrollments (course_id, date_edited, key);
CREATE INDEX enrollments_by_name ON enrollments (course_id, name);
CREATE INDEX enrollments_by_user ON enrollments (user_id);
