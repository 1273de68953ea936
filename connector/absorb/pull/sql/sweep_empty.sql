-- Lists that answered with no rows at all though rows were known: a role that lost its view looks the same.
SELECT stream, scope, count(*)
FROM vanished
SEMI JOIN (SELECT stream, scope FROM swept_lists WHERE seen = 0 AND NOT gone) AS empty USING (stream, scope)
GROUP BY stream, scope
ORDER BY count(*) DESC, stream, scope
