DELETE FROM salesforce.learning_item_progress WHERE tenant_id = $tenant_id AND left("Id", 15) = left($id, 15)
