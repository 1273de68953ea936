-- Rows of a job that met a lock or a passing fault, as a spool for the collections path.
COPY (
  SELECT r.external_id, r.payload_hash, r.payload
  FROM read_parquet('{{rows}}') AS r
  JOIN bulk_outcomes AS o ON o.external_id = r.external_id AND o.outcome IN ('retry', 'few', 'once')
  ORDER BY r.sort_key, r.external_id
) TO '{{path}}' (FORMAT json);
