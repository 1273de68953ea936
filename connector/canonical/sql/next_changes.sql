MERGE INTO ops.next_changes AS held
USING computed
ON held.tenant_id = computed.tenant_id AND held.enrollment_id = computed.enrollment_id
WHEN MATCHED AND computed.next_change_at IS NULL THEN DELETE
WHEN MATCHED AND held.next_change_at <> computed.next_change_at THEN UPDATE SET next_change_at = computed.next_change_at
WHEN NOT MATCHED AND computed.next_change_at IS NOT NULL THEN
  INSERT (tenant_id, enrollment_id, next_change_at)
  VALUES (computed.tenant_id, computed.enrollment_id, computed.next_change_at)
