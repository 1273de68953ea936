-- Some records of each action but `unchanged`: the first by parent. Only their payloads are read.
WITH first AS (
  SELECT action, unnest(min_by(external_id, (sort_key, external_id), $most)) AS external_id
  FROM pushable
  WHERE action <> 'unchanged'
  GROUP BY action
)
SELECT action, external_id, payload
FROM pushable
WHERE external_id IN (SELECT external_id FROM first)
  AND (action, external_id) IN (SELECT (action, external_id) FROM first)
ORDER BY action, external_id;
