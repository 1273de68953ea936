-- Which staged rows are new, and which differ from what the warehouse holds; a row that returns is no longer removed.
CREATE OR REPLACE TEMP TABLE delta AS
SELECT staged.id, stored.id IS NULL AS is_new, stored._removed_at IS NOT NULL AS returns
FROM staged
LEFT JOIN stored ON stored.id = staged.id
WHERE stored.id IS NULL
   OR stored._removed_at IS NOT NULL
   OR ({{stored}}) IS DISTINCT FROM ({{staged}});
