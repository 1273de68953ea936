-- Where each learner stands at $as_of, in the words of LearningItemProgress (docs/status-map.md).
-- The last column says until when a row stays as it is where nothing but time passes: half of the statuses change with the
-- calendar alone. A build computes the rows that changed and those whose time has come.
CREATE OR REPLACE TEMP TABLE computed AS
WITH due_days AS (
  -- A due date that names a calendar day lasts until that day's last microsecond in the mapping's time zone.
  SELECT _due_day AS day, timezone($timezone, CAST(_due_day AS TIMESTAMP) + INTERVAL '23:59:59.999999') AS ends_at
  FROM (SELECT DISTINCT _due_day FROM {{enrollments}} WHERE tenant_id = $tenant_id AND _due_day IS NOT NULL)
),
dated AS (
  SELECT
    e.*,
    {{learning_record_id}} AS record_id,
    CASE WHEN e._due_day IS NOT NULL THEN day.ends_at ELSE e.date_due END AS due_at,
    CASE WHEN e.access_date > e.date_added THEN e.access_date ELSE e.date_added END AS start_at,
    e._removed_at IS NOT NULL AS removed,
    -- Only of a learner whom we know; of anybody else nothing is assumed.
    CASE WHEN u.active_status = 1 THEN 'inactive' ELSE 'active' END AS learner
  FROM {{enrollments}} AS e
  LEFT JOIN due_days AS day ON day.day = e._due_day
  LEFT JOIN (SELECT id, active_status FROM absorb.users WHERE tenant_id = $tenant_id) AS u ON u.id = e.user_id
  WHERE e.tenant_id = $tenant_id AND e.status IN ({{known_statuses}})
),
situation AS (
  SELECT
    *,
    CASE
      WHEN due_at IS NULL THEN 'none'
      WHEN $as_of <= due_at THEN 'open'
      WHEN {{tracked_days}} IS NOT NULL AND $as_of > due_at + to_days({{tracked_days}}) THEN 'long_overdue'
      ELSE 'overdue'
    END AS due,
    CASE
      WHEN status <> 3 OR due_at IS NULL OR date_completed IS NULL THEN 'unknown'
      WHEN date_completed > due_at THEN 'late'
      ELSE 'on_time'
    END AS completion,
    CASE
      WHEN start_at IS NULL OR due_at IS NULL OR due_at <= start_at THEN 'none'
      WHEN coalesce(progress, 0)
         < 100.0 * (epoch_us($as_of) - epoch_us(start_at)) / (epoch_us(due_at) - epoch_us(start_at)) - {{pace_tolerance}}
        THEN 'behind'
      ELSE 'on_track'
    END AS pace
  FROM dated
),
-- When time alone changes something, in microseconds; null where it no longer does.
timed AS (
  SELECT
    *,
    epoch_us($as_of) AS now_us,
    epoch_us(date_added) AS added_us,
    epoch_us(start_at) AS start_us,
    epoch_us(due_at) AS due_us,
    -- How long after the start the straight line reaches progress and tolerance, in exact numbers.
    (coalesce(progress, 0) + {{pace_tolerance}}) / 100.0 * (due_us - start_us) AS kept_up_us,
    CASE WHEN status <> 3 THEN added_us + (greatest(0, (now_us - added_us) // 86400000000) + 1) * 86400000000 END AS next_day_us,
    -- What is due is open up to and including that instant.
    CASE WHEN now_us <= due_us THEN due_us + 1 END AS overdue_us,
    CASE WHEN now_us <= due_us + {{tracked_days}} * 86400000000 THEN due_us + {{tracked_days}} * 86400000000 + 1 END AS untracked_us,
    -- A second and a billionth early: the line above is computed in floating point. From then on it is looked at each time.
    CASE
      WHEN pace = 'on_track' AND abs(kept_up_us) < 3e17
        THEN greatest(now_us + 1, start_us + CAST(floor(kept_up_us - abs(kept_up_us) * 1e-9) AS BIGINT) - 1000000)
    END AS behind_us
  FROM situation
),
decided AS (
  SELECT
    *,
    coalesce(date_started, date_added) AS begun_at,
    CASE WHEN status = 3 THEN date_completed ELSE $as_of END AS until,
    {{rule_case}} AS rule
  FROM timed
)
SELECT
  d.tenant_id,
  d.id AS enrollment_id,
  d.record_id AS learning_record_id,
  d.user_id,
  d.course_id,
  m.salesforce_user_id AS "OwnerId",
  i.learning_item_id AS "LearningItemId",
  {{status_case}} AS "ProgressStatus",
  CASE
    WHEN d.status = 3 THEN 100
    ELSE CAST(greatest(0, least(100, coalesce(d.progress, 0))) AS DECIMAL(5, 2))
  END AS "CompletedPercent",
  CASE WHEN d.status = 3 THEN d.date_completed END AS "CompletedDate",
  -- Never below 0: a back-dated completion lies before the enrollment. greatest() passes over nulls, so they go first.
  CASE
    WHEN d.status = 3 AND d.date_completed IS NOT NULL AND d.begun_at IS NOT NULL
      THEN CAST(greatest(0, (epoch_us(d.date_completed) - epoch_us(d.begun_at)) // 86400000000) AS INTEGER)
  END AS "CompletedOnDay",
  CASE
    WHEN d.until IS NOT NULL AND d.date_added IS NOT NULL
      THEN CAST(greatest(0, (epoch_us(d.until) - epoch_us(d.date_added)) // 86400000000) AS INTEGER)
  END AS "DaysInProgress",
  d.date_started AS "StartDate",
  CAST(d.status AS INTEGER) AS absorb_status,
  d.rule,
  d.due_at,
  d.is_active AND NOT d.removed AS is_current,
  make_timestamptz(least(d.next_day_us, d.overdue_us, d.untracked_us, d.behind_us)) AS next_change_at
FROM decided AS d
LEFT JOIN (
  SELECT user_id, salesforce_user_id FROM salesforce.learner_matches WHERE tenant_id = $tenant_id
) AS m ON m.user_id = d.user_id
LEFT JOIN (
  SELECT course_id, learning_item_id FROM salesforce.item_matches WHERE tenant_id = $tenant_id
) AS i ON i.course_id = d.course_id;
