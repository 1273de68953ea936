-- Lists that are finished, or whose walk found that its order cannot be trusted.
DELETE FROM ops.resume
WHERE tenant_id = $tenant_id AND stream = $stream
  AND scope_id IN (SELECT unnest(from_json(CAST($scopes AS JSON), '["VARCHAR"]')));
