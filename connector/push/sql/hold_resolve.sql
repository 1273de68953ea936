-- End the holds of one object: those that wait, or those that were approved.
UPDATE ops.holds SET resolved_at = $now
WHERE tenant_id = $tenant_id AND org_id = $org_id AND object = $object AND resolved_at IS NULL
  AND (approved_at IS NOT NULL) = $approved
