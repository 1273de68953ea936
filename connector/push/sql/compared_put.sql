INSERT INTO salesforce.push_compared VALUES ($tenant_id, $org_id, $object, $basis, $ledger_rows)
