-- Each learner's Salesforce person: the first rule with any hit decides; more than one hit at it is ambiguous, and no
-- later rule is tried (docs/salesforce-setup.md).
CREATE OR REPLACE TEMP TABLE computed AS
WITH hits AS (
  {{hits}}
),
deciding AS (
  SELECT *, min(position) OVER (PARTITION BY user_id) AS first_position FROM hits
),
counted AS (
  SELECT
    user_id,
    any_value(rule) AS rule,
    CAST(count(DISTINCT salesforce_id) AS INTEGER) AS hits,
    any_value(object) AS object,
    min(salesforce_id) AS salesforce_id
  FROM deciding
  WHERE position = first_position
  GROUP BY user_id
)
SELECT
  u.tenant_id,
  u.id AS user_id,
  CASE WHEN c.hits IS NULL THEN 'unmatched' WHEN c.hits = 1 THEN 'matched' ELSE 'ambiguous' END AS outcome,
  c.rule,
  coalesce(c.hits, 0) AS hits,
  CASE WHEN c.hits = 1 AND c.object = 'User' THEN c.salesforce_id END AS salesforce_user_id,
  CASE WHEN c.hits = 1 AND c.object = 'Contact' THEN c.salesforce_id END AS salesforce_contact_id,
  -- Who they last were: what is in Salesforce already keeps its lookup when the match is lost. A contact that the org
  -- says is deleted is left out: the org has cleared the lookup, and would refuse the id.
  CASE WHEN c.hits = 1 THEN CASE c.object WHEN 'User' THEN c.salesforce_id END ELSE held.last_user_id END AS last_user_id,
  CASE WHEN c.hits = 1 THEN CASE c.object WHEN 'Contact' THEN c.salesforce_id END
    WHEN coalesce(gone."IsDeleted", false) THEN NULL ELSE held.last_contact_id END AS last_contact_id
FROM absorb.users AS u
LEFT JOIN salesforce.learner_matches AS held ON held.tenant_id = u.tenant_id AND held.user_id = u.id
LEFT JOIN salesforce.contacts AS gone ON gone.tenant_id = u.tenant_id AND gone."Id" = held.last_contact_id
LEFT JOIN counted AS c ON c.user_id = u.id
WHERE u.tenant_id = $tenant_id;
