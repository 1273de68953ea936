-- Fields whose share of nulls, among the rows that this pull met again, jumped; and those whose values came back.
UPDATE ops.fields SET
  emptied_at = CASE WHEN empty_after > empty_before THEN $now END,
  emptied_reread = reread,
  emptied_from = empty_before,
  emptied_to = empty_after
WHERE tenant_id = $tenant_id AND run_id = $run_id
  AND CASE
    WHEN empty_after > empty_before THEN reread >= $enough AND 100 * (empty_after - empty_before) >= $points * reread
    ELSE emptied_at IS NOT NULL AND 2 * (empty_before - empty_after) >= emptied_to - emptied_from
  END;
