-- Each course's LearningItem: the first row of learning_items.csv that names the course, else the item of the same name.
-- Two items, or two courses of one name, are ambiguous: nothing is guessed.
CREATE OR REPLACE TEMP TABLE computed AS
WITH crosswalk(position, course_by, course, item_by, item) AS ({{crosswalk}}),
courses AS (
  SELECT id, lower(trim(external_id)) AS external_id, lower(trim(name)) AS name
  FROM absorb.courses
  WHERE tenant_id = $tenant_id AND _removed_at IS NULL
),
items AS (
  SELECT "Id", lower(trim("Name")) AS name
  FROM salesforce.learning_items
  WHERE tenant_id = $tenant_id AND _removed_at IS NULL
),
explicit AS (
  SELECT c.id, x.item_by, x.item
  FROM courses AS c
  JOIN crosswalk AS x
    ON lower(x.course) = CASE x.course_by
      WHEN 'id' THEN CAST(c.id AS VARCHAR) WHEN 'external_id' THEN c.external_id ELSE c.name
    END
  QUALIFY row_number() OVER (PARTITION BY c.id ORDER BY x.position) = 1
),
named AS (
  SELECT id, name, count(*) OVER (PARTITION BY name) AS twins
  FROM courses
  ANTI JOIN explicit USING (id)
  WHERE name <> ''
),
hits AS (
  SELECT e.id, 'crosswalk' AS rule, 1 AS twins, i."Id" AS item
  FROM explicit AS e
  LEFT JOIN items AS i
    -- The first 15 characters are the id, the other three a checksum.
    ON CASE e.item_by WHEN 'id' THEN left(i."Id", 15) = left(e.item, 15) ELSE i.name = lower(e.item) END
  UNION ALL
  SELECT n.id, 'name', n.twins, i."Id" FROM named AS n JOIN items AS i ON i.name = n.name
),
counted AS (
  SELECT
    id, any_value(rule) AS rule, any_value(twins) AS twins, CAST(count(item) AS INTEGER) AS hits, min(item) AS item
  FROM hits
  GROUP BY id
)
SELECT
  c.tenant_id,
  c.id AS course_id,
  CASE
    WHEN coalesce(m.hits, 0) = 0 THEN 'unmatched'
    WHEN m.hits = 1 AND m.twins = 1 THEN 'matched'
    ELSE 'ambiguous'
  END AS outcome,
  m.rule,
  coalesce(m.hits, 0) AS hits,
  CASE WHEN m.hits = 1 AND m.twins = 1 THEN m.item END AS learning_item_id
FROM absorb.courses AS c
LEFT JOIN counted AS m ON m.id = c.id
WHERE c.tenant_id = $tenant_id
