-- The learners of the portal; ids as benchmarks/shape.py makes them.
INSERT INTO absorb.users BY NAME
SELECT
  'default' AS tenant_id,
  CAST(md5('u' || number) AS UUID) AS id,
  'Learner' AS first_name,
  'No ' || number AS last_name,
  'learner.' || number AS username,
  'learner.' || number || '@bench.example' AS email_address,
  'B' || number AS external_id,
  CAST(number % 16 = 15 AS BIGINT) AS active_status,
  true AS is_learner,
  now() - INTERVAL 4 HOUR AS date_edited,
  now() - INTERVAL 90 DAY AS date_added,
  now() AS _loaded_at,
  'bench' AS _run_id
FROM range($users) AS made (number)
