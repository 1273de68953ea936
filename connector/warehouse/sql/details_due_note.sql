-- New and changed enrollments of the batch just merged: what lies inside them is due.
INSERT INTO ops.details_due
SELECT $tenant_id, id, user_id, course_id, date_edited, $noted_at
FROM staged
SEMI JOIN delta USING (id)
ON CONFLICT (tenant_id, enrollment_id) DO UPDATE SET
  user_id = excluded.user_id,
  course_id = excluded.course_id,
  date_edited = excluded.date_edited,
  noted_at = excluded.noted_at;
