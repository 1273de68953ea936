-- Whose learner matches somebody now, and whose does not any more.
UPDATE salesforce.push_state AS s SET matched = p.matched
FROM hold_people AS p
WHERE s.tenant_id = $tenant_id AND s.org_id = $org_id AND s.target_object = $object AND s.external_id = p.external_id
  AND s.matched IS DISTINCT FROM p.matched
