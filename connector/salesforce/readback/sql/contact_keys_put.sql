INSERT INTO salesforce.contact_keys
SELECT $tenant_id, digest
FROM asked
ANTI JOIN (SELECT digest FROM salesforce.contact_keys WHERE tenant_id = $tenant_id) AS held USING (digest)
