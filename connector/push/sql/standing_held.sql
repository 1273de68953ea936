-- A plan that is held: whatever was looked at is looked at again.
INSERT INTO salesforce.push_standing (tenant_id, org_id, target_object, external_id, standing)
SELECT $tenant_id, $org_id, $object, external_id, 'due'
FROM looked_at
