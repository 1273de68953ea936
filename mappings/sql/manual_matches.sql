-- The lines of learner_crosswalk.csv for this tenant, and whom each names: `learners` of them, user_id null for none.
-- Learners who are gone from Absorb can be named by id only.
CREATE OR REPLACE TEMP TABLE manual_matches AS
WITH lines(line, tenant, learner_by, learner, person) AS ({{learner_crosswalk}}),
learners AS (
  SELECT id, unnest([
    {'by': 'id', 'value': CAST(id AS VARCHAR)},
    {'by': 'external_id', 'value': CASE WHEN _removed_at IS NULL THEN lower(trim(external_id)) END},
    {'by': 'username', 'value': CASE WHEN _removed_at IS NULL THEN lower(trim(username)) END},
    {'by': 'email_address', 'value': CASE WHEN _removed_at IS NULL THEN lower(trim(email_address)) END},
    {'by': 'employee_number', 'value': CASE WHEN _removed_at IS NULL THEN lower(trim(employee_number)) END}
  ], recursive := true)
  FROM absorb.users
  WHERE tenant_id = $tenant_id AND EXISTS (SELECT 1 FROM lines)
)
SELECT
  l.line, l.learner_by, l.learner, l.person, u.id AS user_id,
  count(u.id) OVER (PARTITION BY l.line) AS learners
FROM lines AS l
LEFT JOIN learners AS u ON u.by = l.learner_by AND u.value = lower(l.learner)
WHERE l.tenant IN ('', $tenant_id)
