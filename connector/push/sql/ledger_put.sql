-- What the org said of each record that was sent.
MERGE INTO salesforce.push_ledger AS l
USING (
  SELECT unnest(from_json(CAST($outcomes AS JSON), '[{
    "external_id": "VARCHAR", "payload_hash": "VARCHAR", "salesforce_id": "VARCHAR", "state": "VARCHAR",
    "error_code": "VARCHAR", "error_text": "VARCHAR"
  }]'), recursive := true)
) AS o
ON l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.external_id = o.external_id
WHEN MATCHED THEN UPDATE SET
  payload_hash = o.payload_hash,
  accepted_hash = CASE WHEN o.state = 'accepted' THEN o.payload_hash ELSE l.accepted_hash END,
  salesforce_id = coalesce(o.salesforce_id, l.salesforce_id),
  state = o.state,
  error_code = o.error_code,
  error_text = o.error_text,
  attempts = l.attempts + 1,
  last_sent_at = $now,
  accepted_at = CASE WHEN o.state = 'accepted' THEN $now ELSE l.accepted_at END,
  run_id = $run_id
WHEN NOT MATCHED THEN INSERT VALUES (
  $tenant_id, $org_id, $object, o.external_id, o.payload_hash,
  CASE WHEN o.state = 'accepted' THEN o.payload_hash END,
  o.salesforce_id, o.state, o.error_code, o.error_text, 1, NULL, $now, $now,
  CASE WHEN o.state = 'accepted' THEN $now END,
  $run_id
);
