-- Some records of each action but `unchanged`.
SELECT action, external_id, payload
FROM pushable
WHERE action <> 'unchanged'
QUALIFY row_number() OVER (PARTITION BY action ORDER BY sort_key, external_id) <= $most
ORDER BY action, external_id;
