WITH recent AS (
  SELECT * FROM ops.runs WHERE tenant_id = $tenant_id AND started_at > now() - INTERVAL 1 DAY
)
SELECT
  (
    SELECT coalesce(sum(CAST(s.value ->> '$.requests' AS BIGINT)), 0)
    FROM recent, json_each(coalesce(stats -> '$.streams', stats -> '$.pull.streams')) AS s
    WHERE command IN ('pull', 'reconcile')
  ) + (
    SELECT coalesce(sum(CAST(stats ->> '$.absorb_requests' AS BIGINT)), 0) FROM recent WHERE command = 'assign'
  ) AS absorb,
  (SELECT sum(CAST(stats ->> '$.calls' AS BIGINT)) FROM recent WHERE command IN ('push', 'readback', 'assign')) AS salesforce,
  (SELECT arg_max(CAST(stats ->> '$.api_used' AS BIGINT), started_at) FROM recent WHERE command IN ('push', 'readback', 'assign')) AS org_used,
  (SELECT arg_max(CAST(stats ->> '$.api_allowed' AS BIGINT), started_at) FROM recent WHERE command IN ('push', 'readback', 'assign')) AS org_allowed
