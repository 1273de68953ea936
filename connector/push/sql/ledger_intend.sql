-- What is about to be sent by a call, or a bulk job, that must not be made twice: whoever finds it so asks the target
-- first. An error code is kept that the very payload ended the run before with: some are not tried for ever.
MERGE INTO salesforce.push_ledger AS l
USING ({{rows}}) AS r
ON l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.external_id = r.external_id
WHEN MATCHED THEN UPDATE SET
  payload_hash = r.payload_hash,
  content = r.content,
  state = 'sent',
  created = NULL,
  error_code = r.prior_code,
  error_text = CASE WHEN r.prior_code IS NOT NULL THEN l.error_text END,
  job_id = $job_id,
  last_sent_at = $now,
  run_id = $run_id
WHEN NOT MATCHED THEN INSERT (
  tenant_id, org_id, target_object, external_id, payload_hash, content, state, error_code, attempts, job_id,
  first_sent_at, last_sent_at, run_id
) VALUES (
  $tenant_id, $org_id, $object, r.external_id, r.payload_hash, r.content, 'sent', r.prior_code, 0, $job_id,
  $now, $now, $run_id
);
