-- Rows of a job that have another try in this run, as a spool for the collections path.
COPY (
  SELECT r.external_id, r.payload_hash, p.payload, o.prior_code
  FROM read_parquet({{rows}}) AS r
  JOIN bulk_outcomes AS o ON o.external_id = r.external_id AND o.again
  JOIN read_parquet({{payloads}}) AS p ON p.external_id = r.external_id
  ORDER BY r.sort_key, r.external_id
) TO {{path}} (FORMAT json);
