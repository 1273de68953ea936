-- Live rows that the complete reading of their list did not meet. A course that answers 404 counts only if an earlier
-- run had met the same: one 404 may be a role that lost its view for a moment.
CREATE OR REPLACE TEMP TABLE vanished AS
SELECT live.stream, live.scope, live.id
FROM live
JOIN swept_lists AS list USING (stream, scope)
LEFT JOIN swept USING (stream, id)
WHERE swept.id IS NULL
  AND (
    NOT list.gone
    OR list.scope IN (
      SELECT CAST(course_id AS VARCHAR) FROM ops.courses_missing WHERE tenant_id = $tenant_id AND first_met_at < $begun_at
    )
  );
