-- Each enrollment of the tenant is in exactly one state, seen from the org that was pushed to last.
WITH org AS (
  SELECT any_value(org_id) AS org_id
  FROM salesforce.current_ledger
  WHERE tenant_id = $tenant_id AND target_object <> 'LearningRecord'
)
SELECT state, count(*) AS enrollments
FROM (
  SELECT
    CASE
      WHEN p.enrollment_id IS NULL AND q.source_id IS NOT NULL THEN 'unmapped status (quarantined)'
      WHEN p.enrollment_id IS NULL THEN 'not built yet'
      WHEN l.state = 'accepted' AND l.accepted_hash = l.payload_hash AND m.outcome = 'collision'
        THEN 'in Salesforce: learner collision'
      WHEN l.state = 'accepted' AND l.accepted_hash = l.payload_hash THEN 'in Salesforce'
      WHEN l.state = 'rejected' THEN 'rejected by Salesforce: ' || coalesce(l.error_code, 'unknown')
      WHEN l.state = 'sent' THEN 'in a bulk job'
      WHEN l.state = 'missing' AND m.outcome = 'matched' THEN 'deleted in Salesforce: due again'
      WHEN l.state = 'missing' THEN 'deleted in Salesforce: learner ' || coalesce(m.outcome, 'unmatched')
      WHEN l.state = 'changed' THEN 'changed in Salesforce: due again'
      WHEN l.state IS NOT NULL THEN 'deferred: ' || coalesce(l.error_code, 'unknown')
      WHEN m.outcome IS NULL AND m.user_id IS NULL AND org.org_id IS NULL THEN 'not pushed yet'
      WHEN coalesce(m.outcome, 'unmatched') <> 'matched' THEN 'blocked: learner ' || coalesce(m.outcome, 'unmatched')
      ELSE 'not pushed yet'
    END AS state
  FROM absorb.enrollments AS e
  LEFT JOIN org ON true
  LEFT JOIN learning_item_progress AS p ON p.tenant_id = e.tenant_id AND p.enrollment_id = e.id
  LEFT JOIN ops.quarantine AS q
    ON q.tenant_id = e.tenant_id AND q.stream = 'enrollments' AND q.stage = 'map' AND q.resolved_at IS NULL
    AND q.source_id = CAST(e.id AS VARCHAR)
  LEFT JOIN salesforce.push_ledger AS l
    ON l.tenant_id = e.tenant_id AND l.org_id = org.org_id AND l.target_object = 'LMS_Enrollment__c'
    AND l.external_id = CAST(e.id AS VARCHAR)
  LEFT JOIN salesforce.learner_matches AS m ON m.tenant_id = e.tenant_id AND m.user_id = e.user_id
  WHERE e.tenant_id = $tenant_id
)
GROUP BY state
ORDER BY enrollments DESC
