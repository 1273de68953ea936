-- Beside these the first blocked records of each reason, which a report shows.
INSERT INTO looked_at
SELECT DISTINCT unnest(min_by(external_id, (sort_key, external_id), $most))
FROM salesforce.push_standing
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object AND standing = 'blocked'
  AND external_id NOT IN (SELECT external_id FROM looked_at)
GROUP BY reason
