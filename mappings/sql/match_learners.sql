-- Each learner's Salesforce person. A line of learner_crosswalk.csv decides before all rules. Else the first rule with
-- any hit decides; more than one hit at it is ambiguous, and no later rule is tried. A person whom several learners match
-- is given to none of them (docs/salesforce-setup.md).
CREATE OR REPLACE TEMP TABLE computed AS
WITH hits AS (
  {{hits}}
),
deciding AS (
  SELECT *, min(position) OVER (PARTITION BY user_id) AS first_position FROM hits
),
by_rule AS (
  SELECT
    user_id,
    any_value(rule) AS rule,
    CAST(count(DISTINCT salesforce_id) AS INTEGER) AS hits,
    any_value(object) AS object,
    min(salesforce_id) AS salesforce_id,
    CASE WHEN hits = 1 THEN 'matched' ELSE 'ambiguous' END AS outcome,
    CASE WHEN hits > 1 THEN hits || ' people of the org match by ' || any_value(rule) END AS reason
  FROM deciding
  WHERE position = first_position
  GROUP BY user_id
),
people AS (
  SELECT "Id", 'User' AS object FROM salesforce.users WHERE tenant_id = $tenant_id AND _removed_at IS NULL
  UNION ALL
  SELECT "Id", 'Contact' FROM salesforce.contacts WHERE tenant_id = $tenant_id AND _removed_at IS NULL
),
by_hand AS (
  SELECT
    m.user_id,
    'crosswalk' AS rule,
    CAST(count(DISTINCT p."Id") AS INTEGER) AS hits,
    any_value(p.object) AS object,
    min(p."Id") AS salesforce_id,
    CASE
      -- The first 15 characters are the id, the other three a checksum.
      WHEN max(m.learners) > 1 OR count(DISTINCT left(m.person, 15)) > 1 THEN 'ambiguous'
      WHEN any_value(m.person) = '' THEN 'unmatched'
      WHEN hits = 0 THEN 'not_in_org'
      ELSE 'matched'
    END AS outcome,
    'learner_crosswalk.csv line ' || string_agg(DISTINCT CAST(m.line AS VARCHAR), ', ' ORDER BY CAST(m.line AS VARCHAR))
      || CASE
        WHEN max(m.learners) > 1 THEN ' names ' || max(m.learners) || ' learners: name each by id'
        WHEN count(DISTINCT left(m.person, 15)) > 1 THEN ' name different people'
        WHEN any_value(m.person) = '' THEN ' says nobody'
        ELSE ' names ' || any_value(m.person) || ', whom the org does not have or hides from the run-as user'
      END AS reason
  FROM manual_matches AS m
  LEFT JOIN people AS p ON left(p."Id", 15) = left(m.person, 15)
  WHERE m.user_id IS NOT NULL
  GROUP BY m.user_id
),
chosen AS MATERIALIZED (
  SELECT *, true AS manual FROM by_hand
  UNION ALL BY NAME
  SELECT *, false AS manual FROM by_rule ANTI JOIN by_hand USING (user_id)
),
-- People whom several learners match. Who is gone from Absorb keeps nobody else from their person.
sharing AS (
  SELECT salesforce_id FROM chosen WHERE outcome = 'matched' GROUP BY salesforce_id HAVING count(*) > 1
),
shared AS (
  SELECT
    c.salesforce_id,
    count(*) FILTER (WHERE c.manual OR u._removed_at IS NULL) AS claims,
    list(u.id || ' (' || c.rule || ')' ORDER BY u.id) AS learners
  FROM chosen AS c
  SEMI JOIN sharing USING (salesforce_id)
  JOIN absorb.users AS u ON u.tenant_id = $tenant_id AND u.id = c.user_id
  WHERE c.outcome = 'matched'
  GROUP BY c.salesforce_id
),
judged AS (
  SELECT
    u.tenant_id, u.id AS user_id, c.rule, coalesce(c.hits, 0) AS hits, c.object, c.salesforce_id,
    coalesce(c.outcome = 'unmatched', false) AS is_nobody,
    coalesce(s.salesforce_id IS NOT NULL AND NOT c.manual AND (s.claims > 1 OR u._removed_at IS NOT NULL), false) AS collides,
    CASE WHEN collides THEN 'collision' ELSE coalesce(c.outcome, 'unmatched') END AS outcome,
    CASE
      WHEN collides THEN c.object || ' ' || c.salesforce_id || ' is matched by ' || len(s.learners) || ' learners: '
        || array_to_string(s.learners[:10], ', ') || CASE WHEN len(s.learners) > 10 THEN ', …' ELSE '' END
      WHEN c.outcome <> 'matched' THEN c.reason
    END AS reason
  FROM absorb.users AS u
  LEFT JOIN chosen AS c ON c.user_id = u.id
  LEFT JOIN shared AS s ON s.salesforce_id = c.salesforce_id AND c.outcome = 'matched'
  WHERE u.tenant_id = $tenant_id
),
-- A lookup per object.
told AS (
  SELECT
    *,
    CASE WHEN outcome = 'matched' AND object = 'User' THEN salesforce_id END AS user_now,
    CASE WHEN outcome = 'matched' AND object = 'Contact' THEN salesforce_id END AS contact_now
  FROM judged
)
SELECT
  t.tenant_id,
  t.user_id,
  t.outcome,
  t.rule,
  t.hits,
  t.user_now AS salesforce_user_id,
  t.contact_now AS salesforce_contact_id,
  -- Who they last were: what is in Salesforce already keeps its lookup when the match is lost, unless the crosswalk says
  -- nobody. A contact that the org calls deleted has been taken out by the read of people: the org has cleared the lookup.
  CASE WHEN t.outcome = 'matched' THEN t.user_now WHEN NOT t.is_nobody THEN held.last_user_id END AS last_user_id,
  CASE WHEN t.outcome = 'matched' THEN t.contact_now WHEN NOT t.is_nobody THEN held.last_contact_id END AS last_contact_id,
  CASE WHEN t.outcome = 'collision' THEN t.salesforce_id END AS shared_id,
  t.reason
FROM told AS t
LEFT JOIN salesforce.learner_matches AS held ON held.tenant_id = t.tenant_id AND held.user_id = t.user_id
