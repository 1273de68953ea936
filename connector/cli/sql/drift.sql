-- Where Salesforce and learnsync disagree, as of the last read-back.
SELECT kind, count(*) AS differences
FROM salesforce.drift
WHERE tenant_id = $tenant_id
GROUP BY kind
ORDER BY kind
