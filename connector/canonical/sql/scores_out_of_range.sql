-- Scores that are no percentage: null in learning_record, kept in absorb.enrollments. Two counts: for each of them DuckDB
-- passes over blocks that have no such score.
SELECT
  (SELECT count(*) FROM absorb.enrollments WHERE score < 0 AND tenant_id = $tenant_id AND _removed_at IS NULL)
  + (SELECT count(*) FROM absorb.enrollments WHERE score > 100 AND tenant_id = $tenant_id AND _removed_at IS NULL)
