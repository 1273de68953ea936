-- The rows of a batch that did not fit, whole.
SELECT raw FROM ({{landed_rows}}) SEMI JOIN (SELECT seq FROM staged_all WHERE _unfit) USING (seq) ORDER BY seq
