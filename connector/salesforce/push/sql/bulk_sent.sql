-- The rows of one job, before its upload begins: whatever happens after, the next push asks the org about the job.
MERGE INTO salesforce.push_ledger AS l
USING (SELECT external_id, payload_hash, prior_code FROM read_parquet({{rows}}) WHERE part = $part) AS s
ON l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.external_id = s.external_id
WHEN MATCHED THEN UPDATE SET
  -- What this very payload ended the run before with is kept until the org answers: some codes are not tried for ever.
  error_code = s.prior_code,
  error_text = CASE WHEN s.prior_code IS NOT NULL THEN l.error_text END,
  payload_hash = s.payload_hash,
  state = 'sent',
  created = NULL,
  attempts = l.attempts + 1,
  job_id = $job_id,
  last_sent_at = $now,
  run_id = $run_id
WHEN NOT MATCHED THEN INSERT (
  tenant_id, org_id, target_object, external_id, payload_hash, state, attempts, job_id, first_sent_at, last_sent_at,
  run_id
) VALUES (
  $tenant_id, $org_id, $object, s.external_id, s.payload_hash, 'sent', 1, $job_id, $now, $now, $run_id
);
