-- Marks refused pushes as due: the next push sends what is deferred.
UPDATE salesforce.push_ledger
SET state = 'deferred'
WHERE state = 'rejected'
  AND (tenant_id, org_id, target_object, external_id)
    IN (SELECT (tenant_id, org_id, target_object, external_id) FROM ({{pushes}}))
