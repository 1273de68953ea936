SELECT count(*)
FROM ops.quarantine
WHERE tenant_id = $tenant_id AND resolved_at IS NULL AND ($stage IS NULL OR stage = $stage)
