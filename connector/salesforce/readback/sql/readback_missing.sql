-- Records that the org accepted and that are gone from it: the next push makes them anew. A row that a full read did not
-- meet at all left before we first looked.
UPDATE salesforce.push_ledger AS l SET
  state = 'missing', accepted_hash = NULL, salesforce_id = NULL, error_code = 'DELETED_IN_ORG',
  error_text = 'the record was deleted in Salesforce'
WHERE l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object
  AND l.state <> 'sent' AND l.salesforce_id IS NOT NULL
  AND (
    EXISTS (
      SELECT 1 FROM {{table}} AS r
      WHERE r.tenant_id = l.tenant_id AND r."Id" = l.salesforce_id AND r._removed_at IS NOT NULL
    )
    OR ($full AND NOT EXISTS (
      SELECT 1 FROM {{table}} AS r WHERE r.tenant_id = l.tenant_id AND r."Id" = l.salesforce_id
    ))
  )
