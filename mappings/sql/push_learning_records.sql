-- What is sent to the LearningRecord API. The API can create and never update: a record is sent once it has a result, passed
-- or failed, with a date of completion or without. To send others too, change `blocked`: what they become later will
-- not reach the API.
SELECT
  id AS external_id,
  source,
  source_type,
  person_id,
  title,
  provider,
  completed_at,
  expires_at,
  score,
  passed,
  certification_ref,
  linked_cohort_id,
  linked_assessment_id,
  is_deleted AS removed,
  concat(CAST(person_id AS VARCHAR), id) AS sort_key,
  CASE WHEN is_deleted THEN 'removed' WHEN passed IS NULL THEN 'no result yet' END AS blocked
FROM learning_record
WHERE tenant_id = $tenant_id
