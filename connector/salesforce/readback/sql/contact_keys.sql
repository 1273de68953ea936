-- What contacts are asked for: each value by which a rule could match one, and the ids that learner_crosswalk.csv names.
-- `asked`: the contacts held have been asked for by it already. A value that no text field of an org can hold is left out.
CREATE OR REPLACE TEMP TABLE contact_keys AS
WITH wanted AS (
  SELECT field, value
  FROM ({{keys}})
  WHERE value <> '' AND length(value) <= 255 AND NOT regexp_matches(value, '[[:cntrl:]]')
  UNION
  SELECT 'Id', left(person, 15)
  FROM ({{crosswalk}}) AS lines(line, tenant, learner_by, learner, person)
  WHERE tenant IN ('', $tenant_id) AND person LIKE '003%'
),
digested AS (SELECT field, value, md5(field || ':' || value) AS digest FROM wanted)
SELECT d.*, held.digest IS NOT NULL AS asked
FROM digested AS d
LEFT JOIN salesforce.contact_keys AS held ON held.tenant_id = $tenant_id AND held.digest = d.digest
UNION ALL
-- Contacts that nobody matches any more while records in the org look them up: a full read asks whether they are deleted.
SELECT DISTINCT 'Id', left(last_contact_id, 15), NULL, true
FROM salesforce.learner_matches
WHERE tenant_id = $tenant_id AND last_contact_id IS NOT NULL AND salesforce_contact_id IS NULL
