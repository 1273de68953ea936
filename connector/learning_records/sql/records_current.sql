-- What differs from the payload that was sent in nothing that counts, or in what was settled, is as it should be.
UPDATE pushable
SET action = 'unchanged'
WHERE action = 'outdated' AND external_id NOT IN (SELECT external_id FROM outdated WHERE NOT settled);
