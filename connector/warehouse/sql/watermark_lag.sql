-- How far behind each stream's watermarks are; lists of courses known to be gone do not count.
SELECT w.stream, count(*), max(w.watermark), min(w.completed_at)
FROM ops.watermarks AS w
LEFT JOIN absorb.courses AS c ON c.tenant_id = w.tenant_id AND CAST(c.id AS VARCHAR) = w.scope_id
WHERE w.tenant_id = $tenant_id AND c._removed_at IS NULL
GROUP BY ALL ORDER BY ALL
