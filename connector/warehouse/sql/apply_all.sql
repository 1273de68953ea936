-- The same where {{table}} is empty: every row is new.
CREATE OR REPLACE TEMP TABLE changes AS
SELECT {{key}}, true AS is_new, CAST(NULL AS BIGINT) AS held_row, CAST([] AS BOOLEAN[]) AS differs{{before}}
FROM computed
