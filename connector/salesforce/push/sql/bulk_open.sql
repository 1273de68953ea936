-- Jobs of earlier pushes whose outcome is not known yet.
SELECT target_object, job_id, run_id, max(last_sent_at) AS sent_at, count(*) AS records
FROM salesforce.push_ledger
WHERE tenant_id = $tenant_id AND org_id = $org_id AND state = 'sent' AND job_id IS NOT NULL
GROUP BY ALL
ORDER BY min(last_sent_at), job_id;
