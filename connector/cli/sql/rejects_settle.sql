-- Outdated records that a person has dealt with: counted no more until they differ in another way.
UPDATE salesforce.push_ledger
SET state = 'settled'
WHERE state = 'outdated'
  AND (tenant_id, org_id, target_object, external_id)
    IN (SELECT (tenant_id, org_id, target_object, external_id) FROM ({{pushes}}))
