-- Records that somebody else changed: Absorb is the master, so the next push sends them again.
UPDATE salesforce.push_ledger AS l SET
  state = 'changed', error_code = 'CHANGED_IN_ORG', error_text = 'the record was changed in Salesforce'
WHERE l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.state = 'accepted'
  AND l.external_id IN (
    SELECT external_id FROM salesforce.foreign_changes WHERE tenant_id = $tenant_id AND object = $object
  )
