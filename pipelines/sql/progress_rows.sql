SELECT count(*) FROM learning_item_progress
