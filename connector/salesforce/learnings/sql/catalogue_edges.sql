-- Which course requires which, as Absorb says it; `known` is false for a course that the catalogue does not have.
CREATE OR REPLACE TEMP TABLE catalogue_edges AS
WITH named AS (
  SELECT DISTINCT
    CAST(id AS VARCHAR) AS course_id,
    lower(trim(unnest(json_extract_string(prerequisite_course_ids, '$[*]')))) AS prerequisite_id
  FROM absorb.courses
  WHERE tenant_id = $tenant_id
)
SELECT n.course_id, n.prerequisite_id, c.id IS NOT NULL AS known
FROM named AS n
LEFT JOIN absorb.courses AS c
  ON c.tenant_id = $tenant_id AND CAST(c.id AS VARCHAR) = n.prerequisite_id AND c._removed_at IS NULL
WHERE n.prerequisite_id <> '';
