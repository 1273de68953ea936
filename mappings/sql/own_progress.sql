-- OwnerId of learning_item_progress is the matched Salesforce user.
UPDATE learning_item_progress AS p SET "OwnerId" = m.salesforce_user_id
FROM salesforce.learner_matches AS m
WHERE p.tenant_id = $tenant_id
  AND m.tenant_id = p.tenant_id
  AND m.user_id = p.user_id
  AND p."OwnerId" IS DISTINCT FROM m.salesforce_user_id;
