-- Our records that were written after our own last push, or by somebody else.
CREATE OR REPLACE TEMP TABLE suspects AS
SELECT l.external_id, l.accepted_hash, r."Id", r.fields, r."LastModifiedById", r."SystemModstamp"
FROM salesforce.push_ledger AS l
JOIN {{table}} AS r ON r.tenant_id = l.tenant_id AND r."Id" = l.salesforce_id
WHERE l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object
  AND l.state IN ('accepted', 'changed') AND r._removed_at IS NULL
  AND (
    -- Whose id is not known may be anybody; the first 15 characters are the id.
    left(r."LastModifiedById", 15) IS DISTINCT FROM left($user_id, 15)
    OR r."SystemModstamp" > l.accepted_at + to_seconds($slack)
  )
