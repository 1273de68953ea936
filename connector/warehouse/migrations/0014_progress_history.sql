-- Which status an enrollment had, and from when to when: [valid_from, valid_to), by the instant of the builds (as_of).
-- The row without a valid_to is the status of today; its rule and percent are those of learning_item_progress.
CREATE TABLE learning_item_progress_history (
  tenant_id VARCHAR NOT NULL,
  enrollment_id UUID NOT NULL,
  valid_from TIMESTAMPTZ NOT NULL,
  valid_to TIMESTAMPTZ,
  status VARCHAR NOT NULL,
  rule VARCHAR NOT NULL,
  percent DECIMAL(5, 2) NOT NULL
);

-- What a warehouse of an earlier version says stands at the beginning: known since its last build, perhaps older.
INSERT INTO learning_item_progress_history
SELECT
  p.tenant_id, p.enrollment_id,
  coalesce((SELECT max(r.finished_at) FROM ops.runs AS r WHERE r.tenant_id = p.tenant_id AND r.command = 'build'), now()),
  NULL, p."ProgressStatus", p.rule, p."CompletedPercent"
FROM learning_item_progress AS p;
