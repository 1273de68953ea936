-- Which rows of computed are new to {{table}}, and which differ from what it holds.
CREATE OR REPLACE TEMP TABLE changes AS
SELECT computed.{{key}}, held.{{key}} IS NULL AS is_new
FROM computed
LEFT JOIN {{table}} AS held ON held.tenant_id = computed.tenant_id AND held.{{key}} = computed.{{key}}
WHERE held.{{key}} IS NULL OR ({{held_row}}) IS DISTINCT FROM ({{computed_row}})
