INSERT OR REPLACE INTO salesforce.push_plans VALUES ($tenant_id, $org_id, $object, $as_of, $maps, $run_id)
