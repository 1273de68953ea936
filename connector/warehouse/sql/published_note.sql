-- When the file was made, by which version, and from which schema of the warehouse. By this table it is known as ours.
CREATE OR REPLACE TABLE draft.ops.published AS
SELECT now() AS published_at, $version AS version, CAST($schema_version AS INTEGER) AS schema_version, $run_id AS run_id
