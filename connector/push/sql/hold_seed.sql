-- What the org has of records that were pushed before states were kept, or whose ledger was lost: from its own copies.
INSERT INTO salesforce.push_state
WITH unseen AS MATERIALIZED (
  SELECT l.external_id, l.salesforce_id, coalesce(l.accepted_hash, '') AS payload_hash
  FROM salesforce.push_ledger AS l
  WHERE l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND {{looked_at}}
    AND NOT EXISTS (
      SELECT 1 FROM salesforce.push_state AS s
      WHERE s.tenant_id = l.tenant_id AND s.org_id = l.org_id AND s.target_object = l.target_object
        AND s.external_id = l.external_id AND s.payload_hash = coalesce(l.accepted_hash, '')
    )
),
copies AS (
  SELECT u.external_id, u.payload_hash, {{cells}} AS cells
  FROM unseen AS u
  JOIN {{copies}} AS r ON r.tenant_id = $tenant_id AND r."Id" = u.salesforce_id AND r._removed_at IS NULL
)
SELECT
  $tenant_id, $org_id, $object, external_id, payload_hash, {{status}}, {{learner}}, {{removed}}, {{filled}},
  {{learner}} IS NOT NULL, NULL
FROM copies
