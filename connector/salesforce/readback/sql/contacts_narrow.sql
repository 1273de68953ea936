-- Contacts just read that no learner can match are not stored.
DELETE FROM computed AS c
WHERE (c._removed_at IS NOT NULL OR NOT ({{matchable}}))
  AND NOT EXISTS (SELECT 1 FROM salesforce.contacts AS h WHERE h.tenant_id = $tenant_id AND h."Id" = c."Id")
