SELECT
  (SELECT count(*) FROM absorb.enrollments WHERE tenant_id = $tenant_id),
  (SELECT count(*) FROM learning_record WHERE tenant_id = $tenant_id),
  (SELECT count(*) FROM learning_item_progress WHERE tenant_id = $tenant_id)
