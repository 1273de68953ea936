-- Fields that rows of the batch just merged carried.
INSERT INTO ops.fields (
  tenant_id, stream, field, "rows", carried, carried_run_id, missed, missed_new, reread, empty_before, empty_after, run_id
)
SELECT $tenant_id, $stream, field, "rows", carried, $run_id, 0, 0, reread, empty_before, empty_after, $run_id
FROM ({{seen}})
WHERE carried > 0
ON CONFLICT (tenant_id, stream, field) DO UPDATE SET
  "rows" = "rows" + excluded."rows",
  carried = carried + excluded.carried,
  carried_run_id = excluded.carried_run_id,
  missed = 0,
  missed_new = 0,
  reread = excluded.reread + CASE WHEN run_id = excluded.run_id THEN reread ELSE 0 END,
  empty_before = excluded.empty_before + CASE WHEN run_id = excluded.run_id THEN empty_before ELSE 0 END,
  empty_after = excluded.empty_after + CASE WHEN run_id = excluded.run_id THEN empty_after ELSE 0 END,
  run_id = excluded.run_id,
  vanished_at = NULL,
  settled_at = NULL;
