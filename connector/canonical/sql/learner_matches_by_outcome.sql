SELECT outcome, count(*) FROM salesforce.learner_matches WHERE tenant_id = $tenant_id GROUP BY ALL ORDER BY ALL
