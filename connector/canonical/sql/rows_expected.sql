-- How many rows each table should have, and how many it has.
SELECT
  (SELECT count(*) FROM absorb.enrollments WHERE tenant_id = $tenant_id) AS learning_record,
  (SELECT count(*) FROM learning_record WHERE tenant_id = $tenant_id),
  (
    SELECT coalesce(sum(enrolled) FILTER (WHERE status IN ({{known_statuses}})), 0)
    FROM (SELECT status, count(*) AS enrolled FROM absorb.enrollments WHERE tenant_id = $tenant_id GROUP BY status)
  ) AS learning_item_progress,
  (SELECT count(*) FROM learning_item_progress WHERE tenant_id = $tenant_id)
