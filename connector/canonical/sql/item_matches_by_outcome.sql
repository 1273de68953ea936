-- Nothing where the org has no LearningItem: every course would be listed as unmatched.
SELECT outcome, count(*)
FROM salesforce.item_matches
WHERE tenant_id = $tenant_id
  AND EXISTS (SELECT 1 FROM salesforce.learning_items WHERE tenant_id = $tenant_id AND _removed_at IS NULL)
GROUP BY ALL ORDER BY ALL
