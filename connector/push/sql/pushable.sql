-- Every record of one target, or those in `looked_at`: its payload, the payload's hash, and what the ledger says should
-- happen to it.
-- $full: whatever may be sent is sent, unchanged and held records too.
-- $update_only: the target makes its records itself. $create_only: it can neither update nor delete.
WITH source AS ({{query}}),
payloads AS (SELECT external_id, sort_key, blocked, {{removed}} AS removed, {{payload}} AS payload FROM source),
hashed AS (SELECT *, sha256(payload) AS payload_hash FROM payloads)
SELECT
  h.external_id,
  h.sort_key,
  h.payload,
  h.payload_hash,
  h.removed,
  CASE
    -- What differs, and whether that is worth a word, is the target's to say.
    WHEN $create_only AND (l.accepted_hash <> h.payload_hash OR (l.accepted_hash IS NOT NULL AND h.removed)) THEN 'outdated'
    WHEN $create_only AND l.accepted_hash IS NOT NULL THEN 'unchanged'
    -- A record of ours that the org has is kept up to date even when its learner matches nobody any more.
    WHEN h.blocked IS NOT NULL AND (l.accepted_hash IS NULL OR $update_only) THEN h.blocked
    WHEN l.external_id IS NULL THEN CASE WHEN $update_only THEN 'update' ELSE 'create' END
    WHEN $full AND l.accepted_hash IS NULL THEN CASE WHEN $update_only THEN 'update' ELSE 'create' END
    WHEN $full THEN 'update'
    WHEN l.state = 'accepted' AND l.accepted_hash = h.payload_hash THEN 'unchanged'
    -- Rejected for good: not again until the payload or the map changes.
    WHEN l.state = 'rejected' AND l.payload_hash = h.payload_hash THEN 'held'
    -- Never accepted, or found deleted in the org (state missing).
    WHEN l.accepted_hash IS NULL THEN CASE WHEN $update_only THEN 'update' ELSE 'create' END
    -- The payload changed, or somebody changed the record in the org (state changed).
    ELSE 'update'
  END AS action,
  -- What this very payload ended the last run with: some codes are not tried for ever.
  CASE WHEN l.state = 'deferred' AND l.payload_hash = h.payload_hash THEN l.error_code END AS prior_code
FROM hashed AS h
LEFT JOIN salesforce.push_ledger AS l
  ON l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.external_id = h.external_id
