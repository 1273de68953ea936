-- The enrollments of the portal. Ids and courses are those that benchmarks/shape.py gives each number; the other values
-- are spread as benchmarks/rows.py spreads them, without being the same.
INSERT INTO absorb.enrollments BY NAME
WITH drawn AS (
  SELECT
    number,
    hash(number) % 256 AS a,
    hash(number + 1) % 256 AS b,
    hash(number + 2) % 256 AS c,
    date_trunc('millisecond', now() - INTERVAL 3 HOUR
      - to_seconds(CAST(86400000 * pow((hash(number + 3) % 100000) / 100000.0, 2) AS BIGINT))) AS edited,
    number * 7919 % $users AS learner
  FROM range($enrollments) AS made (number)
),
staged AS (
  SELECT
    *,
    CASE
      WHEN a < 128 THEN 3 WHEN a < 172 THEN 0 WHEN a < 210 THEN 1 WHEN a < 219 THEN 5 WHEN a < 226 THEN 6
      WHEN a < 233 THEN 4 WHEN a < 237 THEN 9 WHEN a < 241 THEN 2 WHEN a < 245 THEN 8 ELSE 7
    END AS status,
    -- As in benchmarks/rows.py: an enrollment with another dateAdded has another LearningRecord, and all are computed.
    TIMESTAMPTZ '2024-01-01' + to_days(CAST(number * 7919 % 1050 AS INTEGER)) AS added
  FROM drawn
)
SELECT
  'default' AS tenant_id,
  CAST(md5('e' || staged.number) AS UUID) AS id,
  course.id AS course_id,
  course.name AS course_name,
  CAST(md5('u' || learner) AS UUID) AS user_id,
  -- Names and titles as in benchmarks/rows.py: a name that changes has the published file written whole.
  ['Ana Reyes', 'Björn Holm', 'Chidi Okafor', 'Dora Lang', 'Emil Novak', 'Farah Andersson', 'Gabriel Rahman'][
    learner % 7 + 1
  ] AS full_name,
  ['Field Technician', 'Account Executive', 'Nurse', 'Store Manager', 'Driver', 'Support Engineer'][
    learner % 6 + 1
  ] AS job_title,
  status,
  CASE WHEN status = 3 THEN 100.0 WHEN status IN (1, 4, 5, 7) THEN b * 99 / 512 ELSE 0.0 END AS progress,
  CASE WHEN status IN (3, 5, 7) AND c > 70 THEN 60.0 + c % 41 END AS score,
  c >= 20 AS is_active,
  added AS date_added,
  edited AS date_edited,
  CASE WHEN status IN (1, 3, 4, 5, 7) THEN added + (edited - added) / 2 END AS date_started,
  CASE WHEN status = 3 THEN edited END AS date_completed,
  CASE WHEN status = 3 AND b < 40 THEN edited + INTERVAL 365 DAY END AS date_expires,
  CASE WHEN b < 140 THEN CAST(CAST(added AS DATE) + 90 AS TIMESTAMPTZ) END AS date_due,
  CASE WHEN b < 140 THEN CAST(added AS DATE) + 90 END AS _due_day,
  '00:30:00' AS time_spent,
  18000000000 AS time_spent_ticks,
  false AS accepted_terms_and_conditions,
  CASE WHEN status = 3 AND c < 100 THEN CAST(md5('k' || staged.number) AS UUID) END AS certificate_id,
  CASE WHEN status = 3 AND c < 80 THEN 1.0 END AS credits,
  now() AS _loaded_at,
  'bench' AS _run_id
FROM staged
ASOF JOIN bench_courses AS course ON staged.number >= course.first
