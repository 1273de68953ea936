-- Records of which something changed since they were compared.
INSERT INTO salesforce.push_standing (tenant_id, org_id, target_object, external_id, standing)
SELECT DISTINCT $tenant_id, $org_id, $object, external_id, 'due'
FROM ({{changed}})
