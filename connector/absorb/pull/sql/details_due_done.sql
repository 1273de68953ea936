-- Served: no longer due, unless the enrollment was noted again after the list was read.
DELETE FROM ops.details_due AS due
USING (
  SELECT unnest(from_json(CAST($served AS JSON), '[{
    "enrollment_id": "UUID", "date_edited": "TIMESTAMPTZ", "noted_at": "TIMESTAMPTZ"
  }]'), recursive := true)
) AS served
WHERE due.tenant_id = $tenant_id
  AND due.enrollment_id = served.enrollment_id
  AND due.date_edited = served.date_edited
  AND due.noted_at = served.noted_at;
