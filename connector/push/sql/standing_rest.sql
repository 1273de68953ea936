-- The records that the difference did not look at: how many are unchanged, and blocked for each reason.
SELECT 'unchanged', count(*)
FROM salesforce.push_ledger
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object AND state = 'accepted'
  AND external_id NOT IN (SELECT external_id FROM looked_at)
  AND external_id NOT IN (
    SELECT external_id FROM salesforce.push_standing
    WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object AND standing = 'absent'
  )
UNION ALL
SELECT reason, count(*)
FROM salesforce.push_standing
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object AND standing = 'blocked'
  AND external_id NOT IN (SELECT external_id FROM looked_at)
GROUP BY reason
