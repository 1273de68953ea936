-- What was due and is by now as the difference made it: the org accepted just that payload.
DELETE FROM salesforce.push_standing AS s
USING salesforce.push_ledger AS l
WHERE s.tenant_id = $tenant_id AND s.org_id = $org_id AND s.target_object = $object AND s.standing = 'due'
  AND l.tenant_id = s.tenant_id AND l.org_id = s.org_id AND l.target_object = s.target_object
  AND l.external_id = s.external_id AND l.state = 'accepted' AND l.accepted_hash = s.payload_hash
