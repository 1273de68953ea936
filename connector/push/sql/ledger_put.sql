-- What the target said of each record that was sent.
MERGE INTO salesforce.push_ledger AS l
USING ({{rows}}) AS o
ON l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.external_id = o.external_id
WHEN MATCHED THEN UPDATE SET
  payload_hash = o.payload_hash,
  accepted_hash = CASE WHEN o.state = 'accepted' THEN o.payload_hash ELSE l.accepted_hash END,
  salesforce_id = coalesce(o.salesforce_id, l.salesforce_id),
  state = o.state,
  created = o.created,
  error_code = o.error_code,
  error_text = o.error_text,
  attempts = l.attempts + 1,
  last_sent_at = $now,
  accepted_at = CASE WHEN o.state = 'accepted' THEN $now ELSE l.accepted_at END,
  run_id = $run_id
WHEN NOT MATCHED THEN INSERT (
  tenant_id, org_id, target_object, external_id, payload_hash, accepted_hash, salesforce_id, state, created, error_code,
  error_text, attempts, first_sent_at, last_sent_at, accepted_at, run_id
) VALUES (
  $tenant_id, $org_id, $object, o.external_id, o.payload_hash,
  CASE WHEN o.state = 'accepted' THEN o.payload_hash END,
  o.salesforce_id, o.state, o.created, o.error_code, o.error_text, 1, $now, $now,
  CASE WHEN o.state = 'accepted' THEN $now END,
  $run_id
);
