INSERT INTO ops.resume
SELECT $tenant_id, $stream, scope_id, "key", ceiling, $run_id
FROM (
  SELECT unnest(from_json(CAST($marks AS JSON), '[{
    "scope_id": "VARCHAR", "key": "TIMESTAMPTZ", "ceiling": "TIMESTAMPTZ"
  }]'), recursive := true)
)
WHERE "key" IS NOT NULL
ON CONFLICT (tenant_id, stream, scope_id) DO UPDATE SET
  "key" = excluded."key",
  ceiling = excluded.ceiling,
  run_id = excluded.run_id;
