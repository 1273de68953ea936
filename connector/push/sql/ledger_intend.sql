-- What is about to be sent by a call that must not be made twice: whoever finds it so asks the org first.
MERGE INTO salesforce.push_ledger AS l
USING (
  SELECT unnest(from_json(CAST($rows AS JSON), '[{"external_id": "VARCHAR", "payload_hash": "VARCHAR"}]'),
    recursive := true)
) AS r
ON l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.external_id = r.external_id
WHEN MATCHED THEN UPDATE SET
  payload_hash = r.payload_hash,
  state = 'sent',
  error_code = NULL,
  error_text = NULL,
  job_id = NULL,
  last_sent_at = $now,
  run_id = $run_id
WHEN NOT MATCHED THEN INSERT VALUES (
  $tenant_id, $org_id, $object, r.external_id, r.payload_hash, NULL, NULL, 'sent', NULL, NULL, 0, NULL, $now, $now,
  NULL, $run_id
);
