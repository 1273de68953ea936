-- What the org said of each row of a job. Results come in any order and are joined by external id; a row in none of
-- them was not processed. sf__Error reads `CODE:message:fields--`. The rules are salesforce_errors.csv, the first match
-- wins.
CREATE OR REPLACE TEMP TABLE bulk_outcomes AS
WITH rules AS (
  SELECT unnest(from_json(CAST($rules AS JSON), '[{
    "number": "INTEGER", "code": "VARCHAR", "contains": "VARCHAR", "outcome": "VARCHAR"
  }]'), recursive := true)
),
said AS (
  SELECT external_id, salesforce_id, created = 'true' AS created, NULL AS code, NULL AS text, true AS success
  FROM ({{successful}})
  UNION ALL
  SELECT
    external_id, nullif(salesforce_id, ''), false, trim(split_part(error, ':', 1)),
    regexp_replace(substr(error, length(split_part(error, ':', 1)) + 2), ':[^:]*--\s*$', ''), false
  FROM ({{failed}})
),
once AS (
  SELECT * FROM said QUALIFY row_number() OVER (PARTITION BY external_id ORDER BY success DESC) = 1
),
judged AS (
  SELECT DISTINCT o.code, o.text, first_value(r.outcome) OVER (PARTITION BY o.code, o.text ORDER BY r.number) AS outcome
  FROM (SELECT DISTINCT code, text FROM once WHERE NOT success) AS o
  JOIN rules AS r ON r.code = o.code AND contains(lower(o.text), lower(r.contains))
)
SELECT
  l.external_id,
  l.payload_hash,
  o.salesforce_id,
  coalesce(o.created, false) AS created,
  CASE WHEN o.external_id IS NULL THEN 'UNPROCESSED' ELSE o.code END AS code,
  CASE WHEN o.external_id IS NULL THEN $unprocessed ELSE o.text END AS text,
  CASE
    WHEN o.external_id IS NULL THEN 'defer'
    WHEN o.success THEN 'accepted'
    -- The same word as in the run before: its tries are spent.
    WHEN j.outcome IN ('few', 'once') AND l.error_code = o.code THEN 'permanent'
    ELSE coalesce(j.outcome, 'permanent')
  END AS outcome
FROM salesforce.push_ledger AS l
LEFT JOIN once AS o ON o.external_id = l.external_id
LEFT JOIN judged AS j ON j.code = o.code AND j.text = o.text
WHERE l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.state = 'sent'
  AND l.job_id = $job_id;
