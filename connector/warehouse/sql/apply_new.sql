INSERT INTO {{table}} ({{columns}}{{stamp_columns}})
SELECT {{columns}}{{stamp_values}}
FROM computed
SEMI JOIN (SELECT {{key}} FROM changes WHERE is_new) AS new USING ({{key}})
