-- Fields that rows of this pull should have carried and did not.
SELECT stream, field, greatest(missed, missed_new), carried = "rows" AND carried >= $sure
FROM ops.fields
WHERE tenant_id = $tenant_id AND run_id = $run_id AND greatest(missed, missed_new) > 0
  AND vanished_at IS NULL AND settled_at IS NULL
