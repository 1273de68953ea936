-- Where Salesforce and what learnsync says of it disagree: one row per difference.
--   status, percent, date, days  a field of native LearningItemProgress is not ours, for the same user and matched item
--   changed  a field of a record that learnsync pushed has another value, given to it by somebody else
--   deleted  a record that learnsync pushed is gone from the org, and not made anew yet
-- Two systems that count the same progress never agree to the digit (docs/readback.md): percent may be 0.01 apart, dates a
-- day, counts of days 1. Start and counts of days are compared where both sides have one; no field that the org does not
-- serve is compared. The org counts DaysInProgress when it is asked, which moves no SystemModstamp: ours is counted for
-- the instant at which the row was read, its last change or the last full read.
CREATE OR REPLACE VIEW salesforce.drift AS
WITH pairs AS (
  SELECT
    s.*,
    p.enrollment_id, p."ProgressStatus" AS status, CAST(p."CompletedPercent" AS DOUBLE) AS percent,
    p."CompletedDate" AS completed, p."StartDate" AS started, p."CompletedOnDay" AS on_day,
    greatest(0, CAST(floor((
      epoch(coalesce(p."CompletedDate", greatest(s."SystemModstamp", c.full_at))) - epoch(e.date_added)
    ) / 86400) AS INTEGER)) AS days,
    string_split(c.fields, ', ') AS served
  FROM salesforce.learning_item_progress AS s
  JOIN salesforce.learner_matches AS m ON m.tenant_id = s.tenant_id AND m.salesforce_user_id = s."OwnerId"
  JOIN salesforce.item_matches AS i ON i.tenant_id = s.tenant_id AND i.learning_item_id = s."LearningItemId"
  JOIN main.learning_item_progress AS p
    ON p.tenant_id = s.tenant_id AND p.user_id = m.user_id AND p.course_id = i.course_id
  LEFT JOIN absorb.enrollments AS e ON e.tenant_id = p.tenant_id AND e.id = p.enrollment_id
  LEFT JOIN salesforce.checkpoints AS c ON c.tenant_id = s.tenant_id AND c.object = 'LearningItemProgress'
  WHERE p.is_current AND s._removed_at IS NULL
),
native AS (
  SELECT
    tenant_id, "Id", "SystemModstamp", enrollment_id, served,
    unnest([
      {
        'kind': 'status', 'field': 'ProgressStatus', 'ours': status, 'theirs': "ProgressStatus",
        'differ': status IS DISTINCT FROM "ProgressStatus"
      },
      {
        'kind': 'percent', 'field': 'CompletedPercent', 'ours': CAST(percent AS VARCHAR),
        'theirs': CAST("CompletedPercent" AS VARCHAR),
        -- A little more than 0.01, which no double is.
        'differ': coalesce(abs(percent - "CompletedPercent") > 0.010001, "CompletedPercent" IS NULL)
      },
      {
        'kind': 'date', 'field': 'CompletedDate',
        'ours': strftime(timezone('UTC', completed), '%Y-%m-%dT%H:%M:%SZ'),
        'theirs': strftime(timezone('UTC', "CompletedDate"), '%Y-%m-%dT%H:%M:%SZ'),
        'differ': coalesce(
          abs(epoch(completed) - epoch("CompletedDate")) > 86400, (completed IS NULL) <> ("CompletedDate" IS NULL)
        )
      },
      {
        'kind': 'date', 'field': 'StartDate',
        'ours': strftime(timezone('UTC', started), '%Y-%m-%dT%H:%M:%SZ'),
        'theirs': strftime(timezone('UTC', "StartDate"), '%Y-%m-%dT%H:%M:%SZ'),
        'differ': coalesce(abs(epoch(started) - epoch("StartDate")) > 86400, false)
      },
      {
        'kind': 'days', 'field': 'CompletedOnDay', 'ours': CAST(on_day AS VARCHAR),
        'theirs': CAST("CompletedOnDay" AS VARCHAR), 'differ': coalesce(abs(on_day - "CompletedOnDay") > 1, false)
      },
      {
        'kind': 'days', 'field': 'DaysInProgress', 'ours': CAST(days AS VARCHAR),
        'theirs': CAST("DaysInProgress" AS VARCHAR), 'differ': coalesce(abs(days - "DaysInProgress") > 1, false)
      }
    ]) AS pair
  FROM pairs
)
SELECT
  tenant_id,
  pair.kind AS kind,
  'LearningItemProgress' AS object,
  CAST(enrollment_id AS VARCHAR) AS external_id,
  "Id" AS salesforce_id,
  pair.field AS field,
  pair.ours AS ours,
  pair.theirs AS theirs,
  CAST(NULL AS VARCHAR) AS changed_by,
  "SystemModstamp" AS changed_at
FROM native
WHERE pair.differ AND (served IS NULL OR pair.kind = 'status' OR list_contains(served, pair.field))
UNION ALL
SELECT tenant_id, 'changed', object, external_id, "Id", field, sent, found, changed_by, changed_at
FROM salesforce.foreign_changes
UNION ALL
SELECT l.tenant_id, 'deleted', l.target_object, l.external_id, r."Id", NULL, NULL, NULL, r."LastModifiedById", r._removed_at
FROM salesforce.push_ledger AS l
JOIN salesforce.checkpoints AS c
  ON c.tenant_id = l.tenant_id AND c.org_id = l.org_id AND c.object = l.target_object
LEFT JOIN (
  SELECT 'LMS_Course__c' AS object, * FROM salesforce.lms_courses WHERE _removed_at IS NOT NULL
  UNION ALL
  SELECT 'LMS_Enrollment__c', * FROM salesforce.lms_enrollments WHERE _removed_at IS NOT NULL
) AS r ON r.tenant_id = l.tenant_id AND r.object = l.target_object AND r.external_id = l.external_id
WHERE l.state = 'missing'
-- A record may have been deleted and made anew more than once.
QUALIFY row_number() OVER (
  PARTITION BY l.tenant_id, l.target_object, l.external_id ORDER BY r._removed_at DESC NULLS LAST
) = 1;

-- What Salesforce asks for beside the enrollment itself, and whether Absorb has it: null where nothing was asked for.
ALTER TABLE ops.assignments ADD COLUMN start_at TIMESTAMPTZ;
ALTER TABLE ops.assignments ADD COLUMN due_at TIMESTAMPTZ;
ALTER TABLE ops.assignments ADD COLUMN dates_kept BOOLEAN;
