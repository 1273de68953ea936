-- What is about to be sent by a call that must not be made twice: whoever finds it so asks the target first.
MERGE INTO salesforce.push_ledger AS l
USING (
  SELECT unnest(from_json(CAST($rows AS JSON), '[{
    "external_id": "VARCHAR", "payload_hash": "VARCHAR", "content": "VARCHAR"
  }]'), recursive := true)
) AS r
ON l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.external_id = r.external_id
WHEN MATCHED THEN UPDATE SET
  payload_hash = r.payload_hash,
  content = r.content,
  state = 'sent',
  created = NULL,
  error_code = NULL,
  error_text = NULL,
  job_id = NULL,
  last_sent_at = $now,
  run_id = $run_id
WHEN NOT MATCHED THEN INSERT (
  tenant_id, org_id, target_object, external_id, payload_hash, content, state, attempts, first_sent_at, last_sent_at,
  run_id
) VALUES (
  $tenant_id, $org_id, $object, r.external_id, r.payload_hash, r.content, 'sent', 0, $now, $now, $run_id
);
