-- Records of the API that do not say any more what the warehouse says: what differs, old and new. `reason` names it, `told`
-- spells it out; what a person settled stays so until something else differs. An entry of an earlier version keeps a
-- fingerprint of what was sent, which cannot be read; {} stands for a record that the API does not show.
CREATE OR REPLACE TEMP TABLE outdated AS
WITH ledger AS (
  SELECT external_id, state, error_text, CASE WHEN content LIKE '{%' THEN CAST(content AS JSON) END AS content
  FROM salesforce.push_ledger
  WHERE tenant_id = $tenant_id AND org_id = $org_id AND target_object = $object
),
compared AS (
  SELECT
    d.external_id,
    l.state,
    l.error_text,
    CASE
      WHEN l.content IS NULL THEN 'unknown'
      WHEN l.content = '{}' THEN 'not found'
    END AS unread,
    list_filter(
      [
        {'field': 'removed', 'old': 'false', 'new': CASE WHEN d.removed THEN 'true' ELSE 'false' END},
        {{pairs}}
      ],
      lambda pair: pair.old IS DISTINCT FROM pair.new
    ) AS changes
  FROM pushable AS d
  JOIN ledger AS l ON l.external_id = d.external_id
  WHERE d.action = 'outdated'
),
told AS (
  SELECT
    external_id,
    state,
    error_text,
    CASE WHEN unread IS NULL THEN changes ELSE [] END AS changes,
    coalesce(unread, list_aggregate(list_transform(changes, lambda pair: pair.field), 'string_agg', ', ')) AS reason,
    CASE unread
      WHEN 'unknown' THEN 'sent by an earlier version: the next push asks the API what it holds'
      WHEN 'not found' THEN 'changed, and the API does not show it any more'
      ELSE list_aggregate(
        list_transform(changes, lambda pair: concat(pair.field, ': ', coalesce(pair.old, 'null'), ' → ', coalesce(pair.new, 'null'))),
        'string_agg', '; '
      )
    END AS told
  FROM compared
  WHERE unread IS NOT NULL OR len(changes) > 0
)
SELECT external_id, reason, told, changes, state = 'settled' AND error_text IS NOT DISTINCT FROM told AS settled
FROM told;
