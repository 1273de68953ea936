SELECT "ProgressStatus", count(*)
FROM learning_item_progress
WHERE tenant_id = $tenant_id
GROUP BY ALL ORDER BY ALL
