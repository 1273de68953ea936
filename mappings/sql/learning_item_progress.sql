-- Where each learner stands at $as_of, in the words of LearningItemProgress (docs/status-map.md).
-- Recomputed for every row on every build: half of the statuses change with the calendar alone.
CREATE OR REPLACE TEMP TABLE computed AS
WITH dated AS (
  SELECT
    e.*,
    -- A due date that names a calendar day lasts until that day's last microsecond in the mapping's time zone.
    CASE
      WHEN e._due_day IS NOT NULL
        THEN timezone($timezone, CAST(e._due_day AS TIMESTAMP) + INTERVAL '23:59:59.999999')
      ELSE e.date_due
    END AS due_at,
    CASE WHEN e.access_date > e.date_added THEN e.access_date ELSE e.date_added END AS start_at,
    e._removed_at IS NOT NULL AS removed,
    -- Only of a learner whom we know; of anybody else nothing is assumed.
    CASE WHEN u.active_status = 1 THEN 'inactive' ELSE 'active' END AS learner
  FROM absorb.enrollments AS e
  LEFT JOIN absorb.users AS u ON u.tenant_id = e.tenant_id AND u.id = e.user_id
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
decided AS (
  SELECT
    *,
    coalesce(date_started, date_added) AS begun_at,
    CASE WHEN status = 3 THEN date_completed ELSE $as_of END AS until,
    {{rule_case}} AS rule
  FROM situation
)
SELECT
  d.tenant_id,
  d.id AS enrollment_id,
  learning_record_id(d.tenant_id, 'absorb', d.id, d.date_added) AS learning_record_id,
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
  d.is_active AND NOT d.removed AS is_current
FROM decided AS d
LEFT JOIN salesforce.learner_matches AS m ON m.tenant_id = d.tenant_id AND m.user_id = d.user_id
LEFT JOIN salesforce.item_matches AS i ON i.tenant_id = d.tenant_id AND i.course_id = d.course_id;
