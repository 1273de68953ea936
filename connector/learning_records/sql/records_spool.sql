-- The records to send, those of one person together, as one JSON object a line.
COPY (
  SELECT external_id, payload_hash, payload
  FROM records_due
  WHERE action = 'create'
  ORDER BY sort_key
  LIMIT {{limit}}
) TO '{{path}}' (FORMAT json);
