-- Lists that were read to their end. An empty incremental answer leaves the watermark where it was, and none moves it back.
MERGE INTO ops.watermarks AS held
USING (
  SELECT *, coalesce(watermark, TIMESTAMPTZ '-infinity') AS claimed
  FROM (
    SELECT unnest(from_json(CAST($marks AS JSON), '[{
      "stream": "VARCHAR", "scope_id": "VARCHAR", "watermark": "TIMESTAMPTZ", "rows": "BIGINT",
      "completed_at": "TIMESTAMPTZ", "settles_at": "TIMESTAMPTZ", "overlap_minutes": "DOUBLE"
    }]'), recursive := true)
  )
) AS seen
ON held.tenant_id = $tenant_id AND held.stream = seen.stream AND held.scope_id = seen.scope_id
WHEN MATCHED THEN UPDATE SET
  watermark = greatest(held.watermark, seen.watermark),
  "rows" = seen."rows",
  completed_at = seen.completed_at,
  run_id = $run_id,
  moved_at = CASE WHEN claimed > coalesce(held.watermark, TIMESTAMPTZ '-infinity') THEN seen.completed_at ELSE held.moved_at END,
  settled_minutes = CASE
    WHEN claimed > coalesce(held.watermark, TIMESTAMPTZ '-infinity') THEN NULL
    WHEN held.moved_at <= seen.settles_at THEN seen.overlap_minutes
    ELSE held.settled_minutes
  END
WHEN NOT MATCHED THEN INSERT (
  tenant_id, stream, scope_id, watermark, "rows", completed_at, run_id, moved_at
) VALUES ($tenant_id, seen.stream, seen.scope_id, seen.watermark, seen."rows", seen.completed_at, $run_id, seen.completed_at)
