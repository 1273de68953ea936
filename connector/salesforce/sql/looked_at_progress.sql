-- The rows of learning_item_progress that the difference looks at. A table: the planner of the query that reads it must
-- know how few they are, or it joins all rows first.
CREATE OR REPLACE TEMP TABLE looked_at_progress AS
SELECT *
FROM learning_item_progress
WHERE tenant_id = $tenant_id AND enrollment_id IN (SELECT TRY_CAST(external_id AS UUID) FROM looked_at)
