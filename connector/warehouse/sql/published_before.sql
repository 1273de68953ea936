-- Where this warehouse was published.
SELECT DISTINCT stats ->> '$.path'
FROM ops.runs
WHERE command = 'publish' AND outcome = 'complete'
