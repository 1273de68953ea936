-- Which staged rows are new, and which differ from what the warehouse holds; a row that returns is no longer removed.
CREATE OR REPLACE TEMP TABLE delta AS
SELECT staged.id, held.id IS NULL AS is_new, held._removed_at IS NOT NULL AS returns
FROM staged
LEFT JOIN absorb.{{stream}} AS held ON held.tenant_id = $tenant_id AND held.id = staged.id
WHERE held.id IS NULL
   OR held._removed_at IS NOT NULL
   OR ({{held}}) IS DISTINCT FROM ({{staged}});
