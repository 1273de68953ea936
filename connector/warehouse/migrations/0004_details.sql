-- What lies inside a course enrollment (docs/details.md), and which enrollments are due to be looked into.
CREATE TABLE absorb.lesson_enrollments (
  tenant_id VARCHAR NOT NULL,
  id UUID NOT NULL,
  chapter_enrollment_id UUID,
  course_enrollment_id UUID,
  chapter_id UUID,
  lesson_id UUID,
  name VARCHAR,
  type VARCHAR,
  attempts JSON,
  failures BIGINT,
  last_attempt TIMESTAMPTZ,
  user_id UUID NOT NULL,
  full_name VARCHAR,
  status BIGINT NOT NULL,
  progress DOUBLE,
  score DOUBLE,
  time_spent VARCHAR,
  date_enrolled TIMESTAMPTZ,
  date_started TIMESTAMPTZ,
  date_completed TIMESTAMPTZ,
  date_edited TIMESTAMPTZ,
  date_added TIMESTAMPTZ,
  _extra JSON,
  _loaded_at TIMESTAMPTZ NOT NULL,
  _run_id VARCHAR NOT NULL,
  _removed_at TIMESTAMPTZ,       -- when the enrollment's list, read whole, no longer had the row
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE absorb.chapter_enrollments (
  tenant_id VARCHAR NOT NULL,
  id UUID NOT NULL,
  course_enrollment_id UUID,
  chapter_id UUID,
  session_id UUID,
  lesson_id UUID,
  name VARCHAR,
  user_id UUID NOT NULL,
  full_name VARCHAR,
  status BIGINT NOT NULL,
  progress DOUBLE,
  score DOUBLE,
  time_spent VARCHAR,
  date_enrolled TIMESTAMPTZ,
  date_started TIMESTAMPTZ,
  date_completed TIMESTAMPTZ,
  lesson_enrollment_ids JSON,
  _extra JSON,
  _loaded_at TIMESTAMPTZ NOT NULL,
  _run_id VARCHAR NOT NULL,
  _removed_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE absorb.session_enrollments (
  tenant_id VARCHAR NOT NULL,
  id UUID NOT NULL,
  session_id UUID,
  course_enrollment_id UUID,
  name VARCHAR,
  user_id UUID NOT NULL,
  full_name VARCHAR,
  status BIGINT NOT NULL,
  progress DOUBLE,
  score DOUBLE,
  time_spent VARCHAR,
  date_enrolled TIMESTAMPTZ,
  date_started TIMESTAMPTZ,
  date_completed TIMESTAMPTZ,
  date_edited TIMESTAMPTZ,
  _extra JSON,
  _loaded_at TIMESTAMPTZ NOT NULL,
  _run_id VARCHAR NOT NULL,
  _removed_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE absorb.attempts (
  tenant_id VARCHAR NOT NULL,
  id UUID NOT NULL,
  user_id UUID,                  -- these three from the path that served the row
  course_id UUID,
  lesson_id UUID,
  status BIGINT NOT NULL,
  score DOUBLE,
  time_spent_ticks BIGINT,
  start_date TIMESTAMPTZ,
  completion_date TIMESTAMPTZ,
  _extra JSON,
  _loaded_at TIMESTAMPTZ NOT NULL,
  _run_id VARCHAR NOT NULL,
  _removed_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, id)
);

-- Course enrollments whose inside is to be read. Written with the rows that make them due, removed with what was read.
CREATE TABLE ops.details_due (
  tenant_id VARCHAR NOT NULL,
  enrollment_id UUID NOT NULL,
  user_id UUID NOT NULL,
  course_id UUID NOT NULL,
  date_edited TIMESTAMPTZ NOT NULL,  -- of the version that made it due
  noted_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (tenant_id, enrollment_id)
);
