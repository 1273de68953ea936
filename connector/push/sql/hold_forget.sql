DELETE FROM ops.hold_records WHERE hold_id IN (SELECT id FROM ops.holds WHERE resolved_at IS NOT NULL)
