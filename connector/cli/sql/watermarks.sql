SELECT
  w.stream,
  count(*) AS lists,
  max(w.watermark) AS newest,
  max(w.completed_at) AS last_read,
  min(w.completed_at) AS first_read
FROM ops.watermarks AS w
LEFT JOIN absorb.courses AS c ON c.tenant_id = w.tenant_id AND CAST(c.id AS VARCHAR) = w.scope_id
WHERE w.tenant_id = $tenant_id AND c._removed_at IS NULL
GROUP BY w.stream
ORDER BY w.stream
