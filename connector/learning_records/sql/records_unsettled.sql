-- Records whose create got no certain answer, and whose they are: the API may have them.
SELECT l.external_id, l.payload_hash, l.content, lower(CAST(r.person_id AS VARCHAR)) AS person
FROM salesforce.push_ledger AS l
LEFT JOIN learning_record AS r ON r.id = l.external_id AND r.tenant_id = l.tenant_id
WHERE l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.state IN ('sent', 'deferred')
ORDER BY l.external_id;
