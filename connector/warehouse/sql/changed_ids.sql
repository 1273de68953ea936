SELECT unnest(from_json(CAST($changed_ids AS JSON), '["VARCHAR"]')) AS id
