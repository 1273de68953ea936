-- Entries of an earlier version keep a fingerprint of what was sent. Where the payload is the same still, it is that.
UPDATE salesforce.push_ledger AS l
SET content = d.payload
FROM pushable AS d
WHERE l.tenant_id = $tenant_id
  AND l.org_id = $org_id
  AND l.target_object = $object
  AND l.external_id = d.external_id
  AND l.accepted_hash = d.payload_hash
  AND (l.content IS NULL OR l.content NOT LIKE '{%');
