-- Of each stream: how many rows were live, and how many of them were not met.
SELECT stream, count(*), count(vanished.id)
FROM live
LEFT JOIN vanished USING (stream, id)
GROUP BY stream
