-- Where there is no row yet.
INSERT INTO learning_item_progress_history (tenant_id, enrollment_id, valid_from, status, rule, percent)
SELECT tenant_id, enrollment_id, $as_of, "ProgressStatus", rule, "CompletedPercent"
FROM computed
