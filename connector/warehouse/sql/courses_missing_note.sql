-- Courses that answered 404; an entry keeps when that was first met.
INSERT INTO ops.courses_missing
SELECT $tenant_id, id, $now, $run_id
FROM (SELECT DISTINCT CAST(unnest(from_json(CAST($ids AS JSON), '["VARCHAR"]')) AS UUID) AS id)
ON CONFLICT DO NOTHING
