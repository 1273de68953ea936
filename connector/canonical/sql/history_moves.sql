-- Which statuses this build changes into which, before the history follows.
SELECT h.status || ' → ' || p."ProgressStatus", count(*)
FROM learning_item_progress_history AS h
JOIN learning_item_progress AS p ON p.tenant_id = h.tenant_id AND p.enrollment_id = h.enrollment_id
WHERE h.tenant_id = $tenant_id AND h.valid_to IS NULL AND h.status <> p."ProgressStatus"
GROUP BY ALL
ORDER BY count(*) DESC, 1
