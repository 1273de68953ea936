SELECT enrollment_id AS id FROM ops.next_changes WHERE tenant_id = $tenant_id AND next_change_at <= $as_of
