-- The org clears the lookup to a contact that is deleted, and refuses the id: a record of ours keeps it no longer.
UPDATE salesforce.learner_matches SET last_contact_id = NULL
WHERE tenant_id = $tenant_id
  AND last_contact_id IN (
    SELECT "Id" FROM staged WHERE "IsDeleted"
    UNION ALL
    SELECT id FROM (SELECT unnest(CAST($gone AS VARCHAR[])) AS id) WHERE id NOT IN (SELECT "Id" FROM staged)
  )
RETURNING user_id
