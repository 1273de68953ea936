-- Of which instants the statuses are that would change and are not explained yet, the most frequent first.
SELECT as_of
FROM hold_changes
WHERE status_changed AND NOT calendar AND as_of IS NOT NULL
GROUP BY as_of
ORDER BY count(*) DESC, as_of DESC
LIMIT $most
