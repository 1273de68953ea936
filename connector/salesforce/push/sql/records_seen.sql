-- Of how many records of an object it is known what the org has: what was sent, or a copy that was read.
SELECT
  (
    SELECT count(*) FROM salesforce.push_state
    WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object
  ) + (SELECT count(*) FROM {{copies}} WHERE tenant_id = $tenant_id)
