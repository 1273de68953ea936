-- Fields that no row of the batch just merged carried, unless another batch of the same pull had them. Where every row
-- carried a field so far, each row should have; else only rows that have a value of it, since a portal may leave out
-- what is null.
UPDATE ops.fields AS known SET
  missed = CASE WHEN known.run_id = $run_id THEN missed ELSE 0 END
    + CASE WHEN carried = "rows" AND carried >= $sure THEN seen.all_rows ELSE seen.with_value END,
  missed_new = missed_new
    + CASE WHEN carried = "rows" AND carried >= $sure THEN seen.new_rows ELSE seen.new_with_value END,
  reread = 0,
  empty_before = 0,
  empty_after = 0,
  run_id = $run_id
FROM (
  SELECT field, "rows" AS all_rows, with_value, new_rows, new_with_value FROM ({{seen}}) WHERE carried = 0
) AS seen
WHERE known.tenant_id = $tenant_id AND known.stream = $stream AND known.field = seen.field
  AND carried_run_id <> $run_id AND settled_at IS NULL;
