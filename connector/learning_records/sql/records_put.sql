-- What the API said of each record that was sent, or that it was found to have.
UPDATE ops.learning_record_ledger AS l
SET
  accepted_hash = CASE WHEN o.state = 'accepted' THEN l.payload_hash END,
  remote_id = o.remote_id,
  state = o.state,
  error_code = o.error_code,
  error_text = o.error_text,
  attempts = l.attempts + 1,
  accepted_at = CASE WHEN o.state = 'accepted' THEN $now END
FROM (
  SELECT unnest(from_json(CAST($outcomes AS JSON), '[{
    "external_id": "VARCHAR", "remote_id": "VARCHAR", "state": "VARCHAR", "error_code": "VARCHAR",
    "error_text": "VARCHAR"
  }]'), recursive := true)
) AS o
WHERE l.tenant_id = $tenant_id AND l.destination = $destination AND l.record_id = o.external_id;
