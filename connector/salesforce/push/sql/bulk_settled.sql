-- What the push must know of a job's outcomes: Settled in bulk_ledger.py.
SELECT
  count(*) FILTER (WHERE again),
  count(*) FILTER (WHERE outcome = 'accepted'),
  count(*) FILTER (WHERE error_code = 'UNPROCESSED'),
  any_value(error_code || ' (' || error_text || ')') FILTER (WHERE outcome = 'stop')
FROM bulk_outcomes;
