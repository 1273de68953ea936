-- How far an object has been read: in the transaction of the rows that it covers.
INSERT INTO salesforce.checkpoints AS held
VALUES ($tenant_id, $object, $org_id, $covered_until, $at, $fields, $now, $run_id)
ON CONFLICT (tenant_id, object) DO UPDATE SET
  org_id = excluded.org_id,
  covered_until = excluded.covered_until,
  full_at = CASE WHEN $full THEN excluded.full_at ELSE held.full_at END,
  fields = excluded.fields,
  read_at = excluded.read_at,
  run_id = excluded.run_id
