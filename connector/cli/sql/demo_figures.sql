-- One row: what the stages recorded since $since did, summed up, and where learners stand now.
WITH recent AS (
  SELECT run_id, command, stats, coalesce(epoch(finished_at - started_at), 0) AS seconds
  FROM ops.runs
  WHERE started_at >= $since
),
streams AS (
  SELECT s.value AS stream, s.value -> '$.counts' AS counts, s.key = 'enrollments' AS is_enrollments
  FROM recent, json_each(stats -> '$.streams') AS s
  WHERE command = 'pull'
),
targets AS (SELECT t.value AS target FROM recent, json_each(stats -> '$.targets') AS t WHERE command = 'push'),
pulled AS (
  SELECT
    coalesce(sum(CAST(stream ->> '$.requests' AS BIGINT)), 0) AS requests,
    coalesce(sum(CAST(counts ->> '$.read' AS BIGINT)) FILTER (is_enrollments), 0) AS read,
    coalesce(sum(CAST(counts ->> '$.inserted' AS BIGINT)) FILTER (is_enrollments), 0) AS inserted,
    coalesce(sum(CAST(counts ->> '$.updated' AS BIGINT)) FILTER (is_enrollments), 0) AS updated,
    coalesce(sum(CAST(counts ->> '$.quarantined' AS BIGINT)) FILTER (is_enrollments), 0) AS quarantined
  FROM streams
),
pushed AS (
  SELECT
    coalesce(sum(CAST(target ->> '$.accepted' AS BIGINT)), 0) AS pushed,
    coalesce(sum(CAST(target ->> '$.created' AS BIGINT)), 0) AS created,
    coalesce(sum(CAST(target ->> '$.rejected' AS BIGINT) + CAST(target ->> '$.deferred' AS BIGINT)), 0) AS rejected
  FROM targets
),
blocked AS (
  SELECT b.key AS reason, CAST(sum(CAST(b.value AS BIGINT)) AS BIGINT) AS rows
  FROM targets, json_each(target -> '$.blocked') AS b
  GROUP BY b.key
),
statuses AS (SELECT "ProgressStatus" AS status, count(*) AS rows FROM learning_item_progress GROUP BY ALL),
stages AS (SELECT command, sum(seconds) AS seconds, min(run_id) AS first_run FROM recent GROUP BY command)
SELECT
  CAST(COLUMNS(pulled.*) AS BIGINT),
  CAST(COLUMNS(pushed.*) AS BIGINT),
  coalesce((SELECT map_from_entries(list((reason, rows) ORDER BY reason)) FROM blocked), MAP {}) AS blocked,
  coalesce((SELECT map_from_entries(list((status, rows) ORDER BY rows DESC)) FROM statuses), MAP {}) AS statuses,
  coalesce((SELECT map_from_entries(list((command, seconds) ORDER BY first_run)) FROM stages), MAP {}) AS stages,
  CAST(
    (
      SELECT coalesce(sum(CAST(stats ->> '$.calls' AS BIGINT)), 0)
      FROM recent
      WHERE command IN ('match', 'push', 'readback')
    ) AS BIGINT
  ) AS api_calls
FROM pulled, pushed
