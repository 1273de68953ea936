-- Rows that come and that go, and the sums of their hashes.
SELECT
  count(new_row),
  coalesce(sum(hash) FILTER (new_row IS NOT NULL), 0),
  count(gone_row),
  coalesce(sum(hash) FILTER (gone_row IS NOT NULL), 0)
FROM {{differing}}
