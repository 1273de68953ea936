UPDATE {{table}} AS held
SET {{assignments}}
FROM (SELECT * FROM computed SEMI JOIN (SELECT {{key}} FROM changes WHERE NOT is_new) AS changed USING ({{key}})) AS changed
WHERE held.tenant_id = changed.tenant_id AND held.{{key}} = changed.{{key}}
