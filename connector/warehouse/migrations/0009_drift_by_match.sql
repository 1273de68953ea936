-- Owner and learning item come from the match tables, which a read-back keeps up to date without a build.
-- Where Salesforce and what learnsync says of it disagree: one row per difference.
--   status   LearningItemProgress.ProgressStatus is not ours, for the same user and the matched learning item
--   changed  a field of a record that learnsync pushed has another value, given to it by somebody else
--   deleted  a record that learnsync pushed is gone from the org, and not made anew yet
CREATE OR REPLACE VIEW salesforce.drift AS
SELECT
  s.tenant_id,
  'status' AS kind,
  'LearningItemProgress' AS object,
  CAST(p.enrollment_id AS VARCHAR) AS external_id,
  s."Id" AS salesforce_id,
  'ProgressStatus' AS field,
  p."ProgressStatus" AS ours,
  s."ProgressStatus" AS theirs,
  CAST(NULL AS VARCHAR) AS changed_by,
  s."SystemModstamp" AS changed_at
FROM salesforce.learning_item_progress AS s
JOIN salesforce.learner_matches AS m ON m.tenant_id = s.tenant_id AND m.salesforce_user_id = s."OwnerId"
JOIN salesforce.item_matches AS i ON i.tenant_id = s.tenant_id AND i.learning_item_id = s."LearningItemId"
JOIN main.learning_item_progress AS p
  ON p.tenant_id = s.tenant_id AND p.user_id = m.user_id AND p.course_id = i.course_id
WHERE p.is_current AND s._removed_at IS NULL AND p."ProgressStatus" IS DISTINCT FROM s."ProgressStatus"
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
