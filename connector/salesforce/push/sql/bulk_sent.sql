-- The rows of one job.
SELECT external_id, payload_hash, NULL AS content, prior_code FROM read_parquet({{rows}}) WHERE part = $part
