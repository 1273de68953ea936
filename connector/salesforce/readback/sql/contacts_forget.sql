-- Contacts that no learner can match any more, and those that are gone, are not kept.
DELETE FROM salesforce.contacts AS c
WHERE c.tenant_id = $tenant_id AND (c._removed_at IS NOT NULL OR NOT ({{matchable}}))
