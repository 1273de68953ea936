-- Each row of a job with what its answer means, as connector/push/outcomes.py says.
CREATE OR REPLACE TEMP TABLE bulk_outcomes AS
SELECT r.*, v.outcome, v.state, v.again
FROM bulk_results AS r
JOIN (
  SELECT unnest(from_json(CAST($verdicts AS JSON), '[{
    "answer": "BIGINT", "outcome": "VARCHAR", "state": "VARCHAR", "again": "BOOLEAN"
  }]'), recursive := true)
) AS v ON v.answer = r.answer;
