-- What a result file says of rows: see bulk_results.py.
SELECT external_id, salesforce_id, lower(created) AS created, error
FROM read_json(
  {{file}}, format = 'newline_delimited', maximum_object_size = 67108864,
  columns = {external_id: 'VARCHAR', salesforce_id: 'VARCHAR', created: 'VARCHAR', error: 'VARCHAR'}
)
