-- Which fields each stream serves, so that one that vanishes, or whose values vanish, is noticed (docs/operators.md).
-- Counts of the last pull that read rows of the stream are those since `run_id` began.
CREATE TABLE ops.fields (
  tenant_id VARCHAR NOT NULL,
  stream VARCHAR NOT NULL,
  field VARCHAR NOT NULL,          -- as the portal spells it
  "rows" BIGINT NOT NULL,          -- rows read since one first carried it
  carried BIGINT NOT NULL,         -- of these, rows that carried it, null or not
  carried_run_id VARCHAR NOT NULL, -- the last pull that met it
  missed BIGINT NOT NULL,          -- rows of the last pull that should have carried it, if none did
  missed_new BIGINT NOT NULL,      -- new and changed rows that should have, since one carried it
  reread BIGINT NOT NULL,          -- rows of the last pull that were known before
  empty_before BIGINT NOT NULL,    -- of these, rows whose value was null before it, and after it
  empty_after BIGINT NOT NULL,
  run_id VARCHAR NOT NULL,
  vanished_at TIMESTAMPTZ,         -- since when it is reported as vanished; null when it is not
  emptied_at TIMESTAMPTZ,          -- since when it is reported as emptied, and the counts of that pull
  emptied_reread BIGINT,
  emptied_from BIGINT,
  emptied_to BIGINT,
  settled_at TIMESTAMPTZ,          -- an operator said that it is well without it
  PRIMARY KEY (tenant_id, stream, field)
);

-- A date before 1900 stands for none.
UPDATE absorb.departments SET date_edited = NULL WHERE date_edited < '1900-01-01 00:00:00+00';
UPDATE absorb.departments SET date_added = NULL WHERE date_added < '1900-01-01 00:00:00+00';
UPDATE absorb.users SET date_hired = NULL WHERE date_hired < '1900-01-01 00:00:00+00';
UPDATE absorb.users SET date_terminated = NULL WHERE date_terminated < '1900-01-01 00:00:00+00';
UPDATE absorb.users SET last_login_date = NULL WHERE last_login_date < '1900-01-01 00:00:00+00';
UPDATE absorb.users SET date_edited = NULL WHERE date_edited < '1900-01-01 00:00:00+00';
UPDATE absorb.users SET date_added = NULL WHERE date_added < '1900-01-01 00:00:00+00';
UPDATE absorb.courses SET access_date = NULL WHERE access_date < '1900-01-01 00:00:00+00';
UPDATE absorb.courses SET expiry_date = NULL WHERE expiry_date < '1900-01-01 00:00:00+00';
UPDATE absorb.courses SET date_edited = NULL WHERE date_edited < '1900-01-01 00:00:00+00';
UPDATE absorb.courses SET date_added = NULL WHERE date_added < '1900-01-01 00:00:00+00';
UPDATE absorb.enrollments SET date_started = NULL WHERE date_started < '1900-01-01 00:00:00+00';
UPDATE absorb.enrollments SET date_completed = NULL WHERE date_completed < '1900-01-01 00:00:00+00';
UPDATE absorb.enrollments SET date_expires = NULL WHERE date_expires < '1900-01-01 00:00:00+00';
UPDATE absorb.enrollments SET access_date = NULL WHERE access_date < '1900-01-01 00:00:00+00';
UPDATE absorb.enrollments SET date_due = NULL, _due_day = NULL WHERE date_due < '1900-01-01 00:00:00+00';
UPDATE absorb.lesson_enrollments SET last_attempt = NULL WHERE last_attempt < '1900-01-01 00:00:00+00';
UPDATE absorb.lesson_enrollments SET date_enrolled = NULL WHERE date_enrolled < '1900-01-01 00:00:00+00';
UPDATE absorb.lesson_enrollments SET date_started = NULL WHERE date_started < '1900-01-01 00:00:00+00';
UPDATE absorb.lesson_enrollments SET date_completed = NULL WHERE date_completed < '1900-01-01 00:00:00+00';
UPDATE absorb.lesson_enrollments SET date_edited = NULL WHERE date_edited < '1900-01-01 00:00:00+00';
UPDATE absorb.lesson_enrollments SET date_added = NULL WHERE date_added < '1900-01-01 00:00:00+00';
UPDATE absorb.chapter_enrollments SET date_enrolled = NULL WHERE date_enrolled < '1900-01-01 00:00:00+00';
UPDATE absorb.chapter_enrollments SET date_started = NULL WHERE date_started < '1900-01-01 00:00:00+00';
UPDATE absorb.chapter_enrollments SET date_completed = NULL WHERE date_completed < '1900-01-01 00:00:00+00';
UPDATE absorb.session_enrollments SET date_enrolled = NULL WHERE date_enrolled < '1900-01-01 00:00:00+00';
UPDATE absorb.session_enrollments SET date_started = NULL WHERE date_started < '1900-01-01 00:00:00+00';
UPDATE absorb.session_enrollments SET date_completed = NULL WHERE date_completed < '1900-01-01 00:00:00+00';
UPDATE absorb.session_enrollments SET date_edited = NULL WHERE date_edited < '1900-01-01 00:00:00+00';
UPDATE absorb.attempts SET start_date = NULL WHERE start_date < '1900-01-01 00:00:00+00';
UPDATE absorb.attempts SET completion_date = NULL WHERE completion_date < '1900-01-01 00:00:00+00';
