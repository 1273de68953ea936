-- Records that Python hands to the ledger; what a caller does not give is null.
SELECT unnest(from_json(CAST($rows AS JSON), '[{
  "external_id": "VARCHAR", "payload_hash": "VARCHAR", "content": "VARCHAR", "prior_code": "VARCHAR",
  "salesforce_id": "VARCHAR", "state": "VARCHAR", "created": "BOOLEAN", "error_code": "VARCHAR", "error_text": "VARCHAR"
}]'), recursive := true)
