-- When each list was last read whole and compared with the warehouse, so that what vanished from it is marked removed.
CREATE TABLE ops.sweeps (
  tenant_id VARCHAR NOT NULL,
  stream VARCHAR NOT NULL,
  swept_at TIMESTAMPTZ NOT NULL,   -- when that reading began
  run_id VARCHAR NOT NULL,
  PRIMARY KEY (tenant_id, stream)
);

-- Courses whose enrollments answered 404, until they answer again. One is gone when a later run meets the same.
CREATE TABLE ops.courses_missing (
  tenant_id VARCHAR NOT NULL,
  course_id UUID NOT NULL,
  first_met_at TIMESTAMPTZ NOT NULL,
  run_id VARCHAR NOT NULL,
  PRIMARY KEY (tenant_id, course_id)
);

-- What was marked before stays marked.
INSERT INTO ops.courses_missing
SELECT tenant_id, id, _removed_at, _run_id FROM absorb.courses WHERE _removed_at IS NOT NULL;

-- Since when each detail stream is on: what is older than that is looked into once (docs/details.md).
CREATE TABLE ops.detail_streams (
  tenant_id VARCHAR NOT NULL,
  stream VARCHAR NOT NULL,
  since TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (tenant_id, stream)
);

-- A warehouse that has some was read with them on. Which ones is not known: the next pull forgets those that are off.
INSERT INTO ops.detail_streams
SELECT tenant_id, stream, now()
FROM (
  SELECT tenant_id FROM absorb.lesson_enrollments
  UNION
  SELECT tenant_id FROM absorb.chapter_enrollments
  UNION
  SELECT tenant_id FROM absorb.session_enrollments
  UNION
  SELECT tenant_id FROM absorb.attempts
)
CROSS JOIN (
  SELECT unnest(['lesson_enrollments', 'chapter_enrollments', 'session_enrollments', 'attempts']) AS stream
);
