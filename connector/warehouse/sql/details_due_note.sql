-- New and changed enrollments of the batch just merged: what lies inside them is due.
MERGE INTO ops.details_due AS due
USING (SELECT id, user_id, course_id, date_edited FROM staged SEMI JOIN delta USING (id)) AS changed
ON due.tenant_id = $tenant_id AND due.enrollment_id = changed.id
WHEN MATCHED THEN UPDATE SET
  user_id = changed.user_id,
  course_id = changed.course_id,
  date_edited = changed.date_edited,
  noted_at = $noted_at
WHEN NOT MATCHED THEN INSERT (tenant_id, enrollment_id, user_id, course_id, date_edited, noted_at)
VALUES ($tenant_id, changed.id, changed.user_id, changed.course_id, changed.date_edited, $noted_at);
