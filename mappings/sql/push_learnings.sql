-- What a Learning of the Learnings Graph is made of: one row per course that Absorb serves, or once served.
-- catalogue_prerequisites is a temp table: the prerequisites that can be sent (known courses, no cycle), by course.
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
  p.prerequisites,
  CAST(c.id AS VARCHAR) AS sort_key,
  CASE WHEN c._removed_at IS NOT NULL THEN 'gone from Absorb' END AS blocked
FROM absorb.courses AS c
LEFT JOIN (
  SELECT course_id, list(prerequisite_id ORDER BY prerequisite_id) AS prerequisites
  FROM catalogue_prerequisites
  GROUP BY course_id
) AS p ON p.course_id = CAST(c.id AS VARCHAR)
WHERE c.tenant_id = $tenant_id
