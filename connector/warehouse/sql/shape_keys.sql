-- The keys of one row of each shape not met before.
SELECT hash(json_keys(raw)), json_keys(raw)
FROM ({{landed_rows}})
SEMI JOIN (
  SELECT min(seq) AS seq FROM staged_all WHERE NOT list_contains(CAST($known AS UBIGINT[]), _shape) GROUP BY _shape
) AS examples USING (seq)
