-- The recommendations that can be sent: of known courses, and not where they would close a circle.
CREATE OR REPLACE TEMP TABLE catalogue_recommended AS
WITH cyclic AS (
  SELECT unnest(from_json(CAST($cyclic AS JSON), '[{"course_id": "VARCHAR", "group": "BIGINT"}]'), recursive := true)
)
SELECT e.course_id, e.other_id AS recommended_id
FROM catalogue_edges AS e
LEFT JOIN cyclic AS a ON a.course_id = e.course_id
LEFT JOIN cyclic AS b ON b.course_id = e.other_id AND b."group" = a."group"
WHERE e.known AND e.kind = 'recommended' AND b.course_id IS NULL;
