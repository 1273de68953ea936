-- What the org said of each row of a job. Results come in any order and are joined by external id; a row in none of
-- them was not processed. sf__Error reads `CODE:message:fields--`. Rows with the same `answer` mean the same.
CREATE OR REPLACE TEMP TABLE bulk_results AS
WITH said AS (
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
rows AS (
  SELECT
    l.external_id,
    l.payload_hash,
    l.error_code AS prior_code,
    o.salesforce_id,
    coalesce(o.created, false) AS created,
    coalesce(o.success, false) AS success,
    CASE WHEN o.external_id IS NULL THEN 'UNPROCESSED' ELSE o.code END AS error_code,
    CASE WHEN o.external_id IS NULL THEN $unprocessed ELSE o.text END AS error_text
  FROM salesforce.push_ledger AS l
  LEFT JOIN once AS o ON o.external_id = l.external_id
  WHERE l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.state = 'sent'
    AND l.job_id = $job_id
)
SELECT *, dense_rank() OVER (ORDER BY success, error_code, error_text, prior_code) AS answer FROM rows;
