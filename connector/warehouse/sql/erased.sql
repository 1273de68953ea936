-- Rows that go, and with them what they say of a person: no row that comes says the same.
SELECT count(*)
FROM {{differing}}
WHERE gone_row IS NOT NULL AND person NOT IN (SELECT person FROM {{differing}} WHERE new_row IS NOT NULL)
