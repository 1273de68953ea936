INSERT INTO ops.watermarks
SELECT $tenant_id, stream, scope_id, watermark, "rows", completed_at, $run_id
FROM (
  SELECT unnest(from_json(CAST($marks AS JSON), '[{
    "stream": "VARCHAR", "scope_id": "VARCHAR", "watermark": "TIMESTAMPTZ", "rows": "BIGINT", "completed_at": "TIMESTAMPTZ"
  }]'), recursive := true)
)
ON CONFLICT (tenant_id, stream, scope_id) DO UPDATE SET
  -- An empty incremental answer leaves the watermark where it was, and none moves it back.
  watermark = greatest(watermark, excluded.watermark),
  "rows" = excluded."rows",
  completed_at = excluded.completed_at,
  run_id = excluded.run_id;
