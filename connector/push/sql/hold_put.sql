INSERT INTO ops.holds (id, tenant_id, org_id, object, reason, counts, plan_hash, created_at)
VALUES ($id, $tenant_id, $org_id, $object, $reason, $counts, $plan_hash, $now)
