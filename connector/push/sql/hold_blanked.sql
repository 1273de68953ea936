-- How many records would lose the value of each field.
SELECT field, count(*) AS records
FROM (SELECT unnest(blanked) AS field FROM hold_changes)
GROUP BY ALL
ORDER BY records DESC, field
