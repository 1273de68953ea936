INSERT INTO {{table}} ({{columns}}{{stamp_columns}})
SELECT {{columns}}{{stamp_values}}
FROM computed
WHERE {{new}}
