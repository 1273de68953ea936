-- Records that the target was found to have: sent by an earlier push whose answer was lost, or by another warehouse.
MERGE INTO salesforce.push_ledger AS l
USING ({{rows}}) AS f
ON l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.external_id = f.external_id
WHEN MATCHED THEN UPDATE SET
  accepted_hash = f.payload_hash,
  salesforce_id = f.salesforce_id,
  state = 'accepted',
  error_code = NULL,
  error_text = NULL,
  attempts = l.attempts + 1,
  accepted_at = $now
WHEN NOT MATCHED THEN INSERT (
  tenant_id, org_id, target_object, external_id, payload_hash, content, accepted_hash, salesforce_id, state, attempts,
  first_sent_at, last_sent_at, accepted_at, run_id
) VALUES (
  $tenant_id, $org_id, $object, f.external_id, f.payload_hash, f.content, f.payload_hash, f.salesforce_id, 'accepted',
  0, $now, $now, $now, $run_id
);
