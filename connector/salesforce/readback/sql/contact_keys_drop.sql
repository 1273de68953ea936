DELETE FROM salesforce.contact_keys
WHERE tenant_id = $tenant_id AND NOT EXISTS (SELECT 1 FROM asked WHERE asked.digest = contact_keys.digest)
