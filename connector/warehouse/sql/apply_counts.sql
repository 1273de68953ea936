SELECT
  (SELECT count(*) FROM computed),
  count(*) FILTER (WHERE is_new),
  count(*) FILTER (WHERE NOT is_new)
FROM changes
