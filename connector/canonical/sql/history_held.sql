-- What the history says of these rows before it follows.
CREATE OR REPLACE TEMP TABLE history_held AS
SELECT h.rowid AS held_row, h.enrollment_id, h.valid_from, h.valid_to, h.status, h.rule, h.percent
FROM learning_item_progress_history AS h
SEMI JOIN restated USING (enrollment_id)
WHERE h.tenant_id = $tenant_id
