-- The records to send, parents together, as one JSON object a line: Python reads them some hundred at a time.
COPY (
  SELECT external_id, payload_hash, payload, prior_code
  FROM pushable
  WHERE action IN ('create', 'update')
  ORDER BY sort_key, external_id
  LIMIT {{limit}}
) TO {{path}} (FORMAT json);
