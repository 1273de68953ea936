-- Which course requires which, and after which it is recommended, as Absorb says it. Absorb enrolls who completes a course
-- in its post-enrollment courses: for those, the course is the recommended one. `known` is false where the catalogue lacks
-- one of the two. What is required is not recommended besides.
CREATE OR REPLACE TEMP TABLE catalogue_edges AS
WITH courses AS (
  SELECT
    CAST(id AS VARCHAR) AS id,
    _removed_at IS NULL AS there,
    json_extract_string(prerequisite_course_ids, '$[*]') AS before,
    json_extract_string(post_enrollment_course_ids, '$[*]') AS after
  FROM absorb.courses
  WHERE tenant_id = $tenant_id
),
named AS (
  SELECT DISTINCT 'prerequisite' AS kind, id AS course_id, lower(trim(unnest(before))) AS other_id FROM courses
  UNION ALL
  SELECT DISTINCT 'recommended', lower(trim(unnest(after))), id FROM courses WHERE there
)
SELECT n.*, o.id IS NOT NULL AND (n.kind = 'prerequisite' OR coalesce(c.there, false)) AS known
FROM named AS n
LEFT JOIN courses AS c ON c.id = n.course_id
LEFT JOIN courses AS o ON o.id = n.other_id AND o.there
WHERE n.course_id <> '' AND n.other_id <> ''
  AND NOT (
    n.kind = 'recommended'
    AND EXISTS (SELECT 1 FROM named AS p WHERE p.kind = 'prerequisite' AND (p.course_id, p.other_id) = (n.course_id, n.other_id))
  );
