-- The latest reading of each id wins.
CREATE OR REPLACE TEMP TABLE staged AS
SELECT {{columns}}, _shape
FROM staged_all
SEMI JOIN (SELECT max(seq) AS seq FROM staged_all WHERE NOT _unfit GROUP BY id) AS latest USING (seq);
