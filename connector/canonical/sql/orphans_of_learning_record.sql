-- Records of enrollments that are gone, or that have another dateAdded, of which the id is made.
CREATE OR REPLACE TEMP TABLE orphans AS
SELECT r.id
FROM learning_record AS r
WHERE r.tenant_id = $tenant_id
  AND r.id NOT IN (
    SELECT learning_record_id(tenant_id, 'absorb', id, date_added) FROM absorb.enrollments WHERE tenant_id = $tenant_id
  )
