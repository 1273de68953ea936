-- What is needed of the rows once the warehouse is closed: to enter a job in the ledger, to try rows again.
COPY (
  SELECT part, external_id, sort_key, payload_hash, payload, prior_code FROM bulk_rows
) TO {{path}} (FORMAT parquet);
