-- The same in a file. A payload is read again where its record is sent or shown; small groups of rows keep memory small.
COPY (
  SELECT * REPLACE (CASE WHEN action <> 'unchanged' THEN payload END AS payload) FROM ({{query}})
) TO {{file}} (FORMAT parquet, ROW_GROUP_SIZE 8192);
