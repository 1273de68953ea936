-- Records that the org has and that this push would change, and what it would change of them. Records of a plan that was
-- approved and not sent to its end yet are left out.
CREATE OR REPLACE TEMP TABLE hold_changes AS
WITH candidates AS (
  SELECT external_id FROM hold_next
  UNION
  SELECT external_id FROM hold_people WHERE NOT matched
),
records AS (
  SELECT l.external_id, s.* EXCLUDE (tenant_id, org_id, target_object, external_id)
  FROM salesforce.push_ledger AS l
  SEMI JOIN candidates AS c ON c.external_id = l.external_id
  LEFT JOIN salesforce.push_state AS s
    ON s.tenant_id = l.tenant_id AND s.org_id = l.org_id AND s.target_object = l.target_object
    AND s.external_id = l.external_id AND s.payload_hash = coalesce(l.accepted_hash, '')
  WHERE l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object
    AND (l.accepted_hash IS NOT NULL OR l.salesforce_id IS NOT NULL)
),
approved AS (
  SELECT r.external_id, r.payload_hash
  FROM ops.hold_records AS r
  JOIN ops.holds AS h ON h.id = r.hold_id
  WHERE h.tenant_id = $tenant_id AND h.org_id = $org_id AND h.object = $object
    AND h.approved_at IS NOT NULL AND h.resolved_at IS NULL
)
SELECT
  r.external_id,
  n.payload_hash,
  n.external_id IS NOT NULL AND r.payload_hash IS NULL AS unknown,
  r.status AS old_status,
  n.status AS new_status,
  r.as_of,
  coalesce(n.status <> r.status, false) AS status_changed,
  false AS calendar,
  coalesce(r.matched AND NOT p.matched, false)
    OR (n.external_id IS NOT NULL AND coalesce(n.learner, '') <> r.learner) IS TRUE AS learner_lost,
  coalesce(n.removed AND NOT r.removed, false) AS newly_removed,
  list_filter(
    r.filled, lambda name: n.external_id IS NOT NULL AND NOT list_contains(n.filled, name)
      AND list_contains({{blankable}}, name)
  ) AS blanked
FROM records AS r
LEFT JOIN hold_next AS n ON n.external_id = r.external_id
LEFT JOIN hold_people AS p ON p.external_id = r.external_id
LEFT JOIN approved AS a ON a.external_id = r.external_id AND a.payload_hash = coalesce(n.payload_hash, '')
WHERE a.external_id IS NULL AND (n.external_id IS NOT NULL OR (r.matched AND NOT p.matched))
