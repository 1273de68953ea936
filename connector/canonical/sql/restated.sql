-- Rows whose status, rule or percent this build changes, and which status they had.
CREATE OR REPLACE TEMP TABLE restated AS
SELECT
  c.enrollment_id, c."ProgressStatus" AS status, c.rule, c."CompletedPercent" AS percent,
  changes."held_ProgressStatus" AS status_before
FROM computed AS c
JOIN changes USING (enrollment_id)
WHERE changes.is_new
   OR changes."held_ProgressStatus" IS DISTINCT FROM c."ProgressStatus"
   OR changes."held_rule" IS DISTINCT FROM c.rule
   OR changes."held_CompletedPercent" IS DISTINCT FROM c."CompletedPercent"
