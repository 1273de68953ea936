DELETE FROM ops.dialects
WHERE tenant_id = $tenant_id AND portal = $portal AND dialect = $dialect AND found_at < $before;
