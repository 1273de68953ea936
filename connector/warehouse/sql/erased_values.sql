-- Rows that go, and with them a value of a person that no row that comes has with all their other ones.
WITH
  new AS (SELECT source.* FROM {{rows}} AND source.rowid IN (SELECT new_row FROM {{differing}})),
  vanished AS (
    SELECT gone_row
    FROM {{differing}}
    WHERE gone_row IS NOT NULL AND person NOT IN (SELECT person FROM {{differing}} WHERE new_row IS NOT NULL)
  ),
  gone AS (SELECT * FROM last.{{place}} WHERE rowid IN (SELECT gone_row FROM vanished))
SELECT count(*)
FROM gone
WHERE NOT EXISTS (SELECT 1 FROM new WHERE {{same}})
