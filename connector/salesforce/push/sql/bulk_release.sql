-- A job that came to nothing: its rows are due again.
UPDATE salesforce.push_ledger
SET state = 'deferred', error_code = $code, error_text = $text
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object AND state = 'sent' AND job_id = $job_id;
