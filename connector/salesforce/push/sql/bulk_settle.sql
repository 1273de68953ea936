-- The outcomes of a job into the ledger; they were counted as an attempt when the job was entered. The rows stay those
-- of the run that sent the job.
UPDATE salesforce.push_ledger AS l SET
  accepted_hash = CASE WHEN o.state = 'accepted' THEN o.payload_hash ELSE l.accepted_hash END,
  salesforce_id = coalesce(o.salesforce_id, l.salesforce_id),
  state = o.state,
  created = o.created,
  error_code = o.code,
  error_text = o.text,
  accepted_at = CASE WHEN o.state = 'accepted' THEN $now ELSE l.accepted_at END
FROM bulk_outcomes AS o
WHERE l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.external_id = o.external_id;
