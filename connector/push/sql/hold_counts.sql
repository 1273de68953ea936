-- How many records of the org a push would change in each way, and how many the org has.
SELECT
  ({{records}}) AS records,
  count(*) FILTER (WHERE status_changed AND NOT calendar) AS status,
  count(*) FILTER (WHERE learner_lost) AS learner,
  count(*) FILTER (WHERE newly_removed) AS removed,
  count(*) FILTER (WHERE calendar) AS calendar,
  count(*) FILTER (WHERE unknown) AS unknown
FROM hold_changes
