UPDATE ops.fields SET settled_at = $now, vanished_at = NULL, emptied_at = NULL, missed = 0, missed_new = 0
WHERE tenant_id = $tenant_id AND (vanished_at IS NOT NULL OR emptied_at IS NOT NULL)
