-- Records whose create got no certain answer, and whose they are: the API may have them.
SELECT l.record_id, l.sent_content, lower(CAST(r.person_id AS VARCHAR)) AS person
FROM ops.learning_record_ledger AS l
LEFT JOIN learning_record AS r ON r.id = l.record_id AND r.tenant_id = l.tenant_id
WHERE l.tenant_id = $tenant_id AND l.destination = $destination AND l.state IN ('sent', 'deferred')
ORDER BY l.record_id;
