-- Calls of the last 24 hours, and what the org said of its own count when it was last called.
WITH recent AS (
  SELECT * FROM ops.runs WHERE tenant_id = $tenant_id AND started_at > now() - INTERVAL 1 DAY
),
org AS (
  SELECT
    started_at,
    CAST(stats ->> '$.calls' AS BIGINT) AS calls,
    CAST(stats ->> '$.api_used' AS BIGINT) AS used,
    CAST(stats ->> '$.api_allowed' AS BIGINT) AS allowed
  FROM recent
  WHERE command IN ('match', 'push', 'readback', 'assign')
)
SELECT
  (
    SELECT coalesce(sum(CAST(s.value ->> '$.requests' AS BIGINT)), 0)
    FROM recent, json_each(coalesce(stats -> '$.streams', stats -> '$.pull.streams')) AS s
    WHERE command IN ('pull', 'reconcile')
  ) + (
    SELECT coalesce(sum(CAST(stats ->> '$.absorb_requests' AS BIGINT)), 0) FROM recent WHERE command = 'assign'
  ) AS absorb,
  (SELECT sum(calls) FROM org) AS salesforce,
  (SELECT arg_max(used, started_at) FROM org) AS org_used,
  (SELECT arg_max(allowed, started_at) FROM org) AS org_allowed
