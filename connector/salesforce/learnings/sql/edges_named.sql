-- Course → the courses that its learning may name: required ones that can be sent, and recommended ones.
SELECT course_id, list(other_id)
FROM (
  SELECT course_id, prerequisite_id AS other_id FROM catalogue_prerequisites
  UNION ALL
  SELECT course_id, other_id FROM catalogue_edges WHERE known AND kind = 'recommended'
)
GROUP BY ALL;
