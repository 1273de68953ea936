INSERT INTO ops.next_changes
SELECT tenant_id, enrollment_id, next_change_at FROM computed WHERE next_change_at IS NOT NULL
