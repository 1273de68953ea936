-- The refused and the outdated pushes that are meant; an empty list means any. Streams mean source rows only.
SELECT tenant_id, org_id, target_object, external_id, state, error_code, error_text, attempts, last_sent_at
FROM salesforce.current_ledger
WHERE tenant_id = $tenant_id AND state IN ('rejected', 'deferred', 'outdated') AND len($streams) = 0
  AND (len($objects) = 0 OR list_contains($objects, target_object))
  AND (len($codes) = 0 OR list_contains($codes, error_code))
  AND (len($ids) = 0 OR list_contains($ids, external_id))
