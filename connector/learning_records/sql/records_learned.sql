-- What the API said of these records when it was asked.
UPDATE salesforce.push_ledger AS l
SET content = r.content
FROM (
  SELECT unnest(from_json(CAST($rows AS JSON), '[{"external_id": "VARCHAR", "content": "VARCHAR"}]'), recursive := true)
) AS r
WHERE l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.external_id = r.external_id;
