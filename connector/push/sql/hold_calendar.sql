-- Today's enrollments and map gave the old status at an earlier instant: the calendar alone explains the new one.
UPDATE hold_changes AS h SET calendar = true
FROM computed AS c
WHERE CAST(c.enrollment_id AS VARCHAR) = h.external_id AND c."ProgressStatus" = h.old_status
  AND h.status_changed AND ($all OR h.as_of = $as_of)
