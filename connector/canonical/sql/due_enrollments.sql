-- The enrollments that are computed now, each with the id of its LearningRecord.
CREATE OR REPLACE TEMP TABLE due_enrollments AS
SELECT e.*, learning_record_id(e.tenant_id, 'absorb', e.id, e.date_added) AS learning_record_id
FROM absorb.enrollments AS e
WHERE e.tenant_id = $tenant_id AND {{part}}
