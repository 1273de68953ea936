-- What a Learning of the Learnings Graph is made of: one row per course that Absorb serves, or once served.
-- catalogue_prerequisites and catalogue_recommended are temp tables: what can be sent (known courses, no cycle), by course.
-- learner_time, audience, goals and vendor are here for lines of your own in learnings_fields.csv.
SELECT
  CAST(c.id AS VARCHAR) AS external_id,
  CAST(c.id AS VARCHAR) AS course_id,
  left(coalesce(nullif(trim(c.name), ''), CAST(c.id AS VARCHAR)), 255) AS name,
  -- Absorb keeps HTML. What the target may hold is not documented: 255 is what a text area always takes.
  nullif(left(trim(regexp_replace(regexp_replace(c.description, '<[^>]*>', ' ', 'g'), '\s+', ' ', 'g')), 255), '')
    AS description,
  left(nullif(trim(c.external_id), ''), 255) AS course_number,
  c._removed_at IS NULL AND coalesce(c.active_status, 0) = 0 AS active,
  c.access_date AS active_from,
  c.expiry_date AS active_to,
  c.learner_time,
  nullif(left(trim(c.audience), 255), '') AS audience,
  nullif(left(trim(c.goals), 255), '') AS goals,
  nullif(left(trim(c.vendor), 255), '') AS vendor,
  p.prerequisites,
  r.recommended,
  CAST(c.id AS VARCHAR) AS sort_key,
  CASE WHEN c._removed_at IS NOT NULL THEN 'gone from Absorb' END AS blocked
FROM absorb.courses AS c
LEFT JOIN (
  SELECT course_id, list(prerequisite_id ORDER BY prerequisite_id) AS prerequisites
  FROM catalogue_prerequisites
  GROUP BY course_id
) AS p ON p.course_id = CAST(c.id AS VARCHAR)
LEFT JOIN (
  SELECT course_id, list(recommended_id ORDER BY recommended_id) AS recommended
  FROM catalogue_recommended
  GROUP BY course_id
) AS r ON r.course_id = CAST(c.id AS VARCHAR)
WHERE c.tenant_id = $tenant_id
