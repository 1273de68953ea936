-- What is needed of the rows once the warehouse is closed: to enter a job in the ledger, to try rows again.
COPY (FROM bulk_rows) TO {{path}} (FORMAT parquet);
