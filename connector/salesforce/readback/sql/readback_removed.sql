-- How many rows of `computed` are newly found to be gone.
SELECT count(*)
FROM computed AS c
LEFT JOIN {{table}} AS h ON h.tenant_id = $tenant_id AND h."Id" = c."Id"
WHERE c._removed_at IS NOT NULL AND h._removed_at IS NULL
