-- Ids for the consumers that dealt with every row once; for the others an entry that says that all is due. That one is
-- made even if there is one already: a consumer that forgets it at this moment does not see what is written here.
INSERT INTO ops.changed
WITH readers AS (
  SELECT reader, reader IN (SELECT consumer FROM ops.consumers WHERE tenant_id = $tenant_id) AS keeps_ids
  FROM (SELECT unnest(CAST($readers AS VARCHAR[])) AS reader)
),
changed AS (
  SELECT CAST(id AS VARCHAR) AS id FROM ({{ids}}) AS written WHERE id IS NOT NULL
)
SELECT $tenant_id, reader, $stream, id
FROM changed
CROSS JOIN (SELECT reader FROM readers WHERE keeps_ids)
UNION ALL
SELECT $tenant_id, reader, $stream, '*'
FROM readers
WHERE NOT keeps_ids AND EXISTS (SELECT 1 FROM changed)
