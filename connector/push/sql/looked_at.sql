-- The records that may not be as the org has them: those that changed, those that were due and are not known to be
-- accepted, and all that the org refused, lost or changed.
CREATE OR REPLACE TEMP TABLE looked_at AS
SELECT external_id
FROM salesforce.push_standing
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object AND standing = 'due'
UNION
SELECT external_id
FROM salesforce.push_ledger
WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object AND state <> 'accepted'
