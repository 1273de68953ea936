-- What is about to be sent. It counts once the ledger says that the org accepted it.
INSERT INTO salesforce.push_state
SELECT
  $tenant_id, $org_id, $object, n.external_id, n.payload_hash, n.status, n.learner, n.removed, n.filled, p.matched, $as_of
FROM hold_next AS n
LEFT JOIN hold_people AS p ON p.external_id = n.external_id
