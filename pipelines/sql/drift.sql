SELECT kind, object, external_id, coalesce(field, ''), coalesce(ours, ''), coalesce(theirs, '')
FROM salesforce.drift
WHERE tenant_id = $tenant_id
ORDER BY ALL LIMIT 20
