-- What became of the records that a run sent. A record that was merely found at the target has no attempt.
SELECT state, coalesce(error_code, 'UNKNOWN') AS code, count(*) AS records, count(*) FILTER (WHERE created) AS created
FROM salesforce.push_ledger
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object AND run_id = $run_id AND attempts > 0
GROUP BY ALL
ORDER BY ALL;
