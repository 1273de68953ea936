SELECT e.id
FROM absorb.enrollments AS e
WHERE e.tenant_id = $tenant_id
  AND e.user_id IN (SELECT CAST(id AS UUID) FROM noted WHERE stream IN ('users', 'salesforce.learner_matches'))
