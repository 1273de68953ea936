-- Rows of enrollments that are gone, or whose status no map knows any more.
CREATE OR REPLACE TEMP TABLE orphans AS
SELECT p.enrollment_id AS id
FROM learning_item_progress AS p
WHERE p.tenant_id = $tenant_id
  AND p.enrollment_id NOT IN (
    SELECT id FROM absorb.enrollments WHERE tenant_id = $tenant_id AND status IN ({{known_statuses}})
  )
