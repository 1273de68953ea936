-- LearningItemId of learning_item_progress is the course's LearningItem.
UPDATE learning_item_progress AS p SET "LearningItemId" = m.learning_item_id
FROM salesforce.item_matches AS m
WHERE p.tenant_id = $tenant_id
  AND m.tenant_id = p.tenant_id
  AND m.course_id = p.course_id
  AND p."LearningItemId" IS DISTINCT FROM m.learning_item_id;
