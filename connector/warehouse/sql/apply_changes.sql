-- Which rows of computed are new to {{table}}, and which differ from what it holds, in what, and where.
CREATE OR REPLACE TEMP TABLE changes AS
SELECT computed.{{key}}, held.rowid IS NULL AS is_new, held.rowid AS held_row, [{{differs}}] AS differs{{before}}
FROM computed
LEFT JOIN {{table}} AS held ON held.tenant_id = computed.tenant_id AND held.{{key}} = computed.{{key}}
WHERE held.rowid IS NULL OR {{differ}}
