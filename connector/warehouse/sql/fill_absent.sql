-- A field that a row does not carry keeps its value: that of an earlier reading in the batch, else the stored one.
CREATE OR REPLACE TEMP TABLE staged AS
WITH earlier AS (
  SELECT id, {{earlier}}
  FROM staged_all
  SEMI JOIN (SELECT id FROM staged_all GROUP BY id HAVING count(*) > 1) AS again USING (id)
  WHERE NOT _unfit
  GROUP BY id
)
SELECT staged.* REPLACE ({{filled}})
FROM staged
LEFT JOIN stored ON stored.id = staged.id
LEFT JOIN earlier ON earlier.id = staged.id;
