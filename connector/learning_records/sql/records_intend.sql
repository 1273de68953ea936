-- What is about to be created: whoever finds it so looks for it in the API first.
MERGE INTO ops.learning_record_ledger AS l
USING (
  SELECT unnest(from_json(CAST($rows AS JSON), '[{"external_id": "VARCHAR", "payload_hash": "VARCHAR", "content": "VARCHAR"}]'),
    recursive := true)
) AS r
ON l.tenant_id = $tenant_id AND l.destination = $destination AND l.record_id = r.external_id
WHEN MATCHED THEN UPDATE SET
  payload_hash = r.payload_hash,
  sent_content = r.content,
  state = 'sent',
  error_code = NULL,
  error_text = NULL,
  last_sent_at = $now,
  run_id = $run_id
WHEN NOT MATCHED THEN INSERT VALUES (
  $tenant_id, $destination, r.external_id, r.payload_hash, r.content, NULL, NULL, 'sent', NULL, NULL, 0, $now, $now,
  NULL, $run_id
);
