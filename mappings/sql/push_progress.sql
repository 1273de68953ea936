-- What a LearningItemProgress record is updated with: one row per record that Salesforce has for a learner and a
-- learning item, from the newest enrollment of theirs. Salesforce makes these records; where it has none for an
-- enrollment, or several, nothing is sent.
-- Owner and item are those of the match tables: learning_item_progress has them as of its last build.
WITH ours AS (
  SELECT
    p.* EXCLUDE ("OwnerId", "LearningItemId"),
    m.salesforce_user_id AS "OwnerId",
    i.learning_item_id AS "LearningItemId"
  FROM learning_item_progress AS p
  JOIN absorb.enrollments AS e ON e.tenant_id = p.tenant_id AND e.id = p.enrollment_id
  LEFT JOIN salesforce.learner_matches AS m ON m.tenant_id = p.tenant_id AND m.user_id = p.user_id
  LEFT JOIN salesforce.item_matches AS i ON i.tenant_id = p.tenant_id AND i.course_id = p.course_id
  WHERE p.tenant_id = $tenant_id
  QUALIFY m.salesforce_user_id IS NULL OR i.learning_item_id IS NULL OR row_number() OVER (
    PARTITION BY m.salesforce_user_id, i.learning_item_id
    ORDER BY p.is_current DESC, e.date_added DESC, p.enrollment_id
  ) = 1
),
theirs AS (
  SELECT "OwnerId", "LearningItemId", min("Id") AS id, count(*) AS records
  FROM salesforce.learning_item_progress
  WHERE tenant_id = $tenant_id AND _removed_at IS NULL
  GROUP BY ALL
)
SELECT
  coalesce(t.id, CAST(o.enrollment_id AS VARCHAR)) AS external_id,
  o."ProgressStatus" AS progress_status,
  o."CompletedPercent" AS completed_percent,
  o."CompletedDate" AS completed_date,
  coalesce(t.id, CAST(o.enrollment_id AS VARCHAR)) AS sort_key,
  CASE
    WHEN t.id IS NULL THEN 'no_progress_record'
    WHEN t.records > 1 THEN 'several_progress_records'
  END AS blocked
FROM ours AS o
LEFT JOIN theirs AS t ON t."OwnerId" = o."OwnerId" AND t."LearningItemId" = o."LearningItemId"
