SELECT unnest(from_json(CAST($seen AS JSON), '[{
  "field": "VARCHAR", "rows": "BIGINT", "carried": "BIGINT", "with_value": "BIGINT", "new_rows": "BIGINT",
  "new_with_value": "BIGINT", "reread": "BIGINT", "empty_before": "BIGINT", "empty_after": "BIGINT"
}]'), recursive := true)
