-- The rows of one job, before its upload begins: whatever happens after, the next push asks the org about the job.
MERGE INTO salesforce.push_ledger AS l
USING (SELECT external_id, payload_hash FROM read_parquet('{{rows}}') WHERE part = $part) AS s
ON l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.external_id = s.external_id
WHEN MATCHED THEN UPDATE SET
  -- What the org said of this very payload is kept until it speaks again: some codes are not tried for ever.
  error_code = CASE WHEN l.payload_hash = s.payload_hash THEN l.error_code END,
  error_text = CASE WHEN l.payload_hash = s.payload_hash THEN l.error_text END,
  payload_hash = s.payload_hash,
  state = 'sent',
  attempts = l.attempts + 1,
  job_id = $job_id,
  last_sent_at = $now,
  run_id = $run_id
WHEN NOT MATCHED THEN INSERT VALUES (
  $tenant_id, $org_id, $object, s.external_id, s.payload_hash, NULL, NULL, 'sent', NULL, NULL, 1, $job_id, $now, $now,
  NULL, $run_id
);
