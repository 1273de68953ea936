-- What a person should settle by hand, each in one line: lines of learner_crosswalk.csv that lead nowhere, and learners
-- who share their person.
SELECT note
FROM (
  SELECT 1 AS place, line, 'learner_crosswalk.csv line ' || line || ' names no learner of Absorb by ' || learner_by AS note
  FROM manual_matches
  WHERE user_id IS NULL
  UNION ALL
  SELECT 2, 0, 'learner ' || user_id || ': ' || reason
  FROM salesforce.learner_matches
  WHERE tenant_id = $tenant_id AND rule = 'crosswalk' AND outcome IN ('ambiguous', 'not_in_org')
  UNION ALL
  SELECT DISTINCT 3, 0, reason
  FROM salesforce.learner_matches
  WHERE tenant_id = $tenant_id AND outcome = 'collision'
)
ORDER BY place, line, note
