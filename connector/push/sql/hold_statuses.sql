-- From which status to which, as far as not the calendar alone explains it.
SELECT concat(old_status, ' → ', new_status) AS change, count(*) AS records
FROM hold_changes
WHERE status_changed AND NOT calendar
GROUP BY ALL
ORDER BY records DESC, change
