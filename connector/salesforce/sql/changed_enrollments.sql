-- Enrollments that may have another payload, or be blocked or not for another reason, by what is noted for the push.
WITH noted AS (
  SELECT stream, id FROM ops.changed WHERE tenant_id = $tenant_id AND consumer = 'push'
)
SELECT id AS external_id
FROM noted
WHERE stream IN ('enrollments', 'learning_item_progress')
UNION ALL
SELECT CAST(p.enrollment_id AS VARCHAR)
FROM learning_item_progress AS p
WHERE p.tenant_id = $tenant_id AND (
  p.learning_record_id IN (SELECT id FROM noted WHERE stream = 'learning_record')
  OR p.user_id IN (SELECT TRY_CAST(id AS UUID) FROM noted WHERE stream = 'salesforce.learner_matches')
)
