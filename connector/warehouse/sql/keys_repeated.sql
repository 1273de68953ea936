SELECT count(*)
FROM (SELECT 1 FROM {{table}} GROUP BY {{key}} HAVING count(*) > 1)
