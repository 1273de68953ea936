-- Of records that are due again: entries of payloads that the org neither has nor was sent last, and those made anew.
DELETE FROM salesforce.push_state AS s
USING hold_next AS n
WHERE s.tenant_id = $tenant_id AND s.org_id = $org_id AND s.target_object = $object AND s.external_id = n.external_id
  AND (
    s.payload_hash = n.payload_hash
    OR NOT EXISTS (
      SELECT 1 FROM salesforce.push_ledger AS l
      WHERE l.tenant_id = s.tenant_id AND l.org_id = s.org_id AND l.target_object = s.target_object
        AND l.external_id = s.external_id AND s.payload_hash IN (coalesce(l.accepted_hash, ''), l.payload_hash)
    )
  )
