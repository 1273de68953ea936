-- One row of JSON objects, each null where there is nothing.
SELECT
  (SELECT to_json(e) FROM absorb.enrollments AS e WHERE e.tenant_id = $tenant_id AND CAST(e.id AS VARCHAR) = $id) AS enrollment,
  (
    SELECT to_json(q) FROM ops.quarantine AS q
    WHERE q.tenant_id = $tenant_id AND q.stream = 'enrollments' AND q.source_id = $id AND q.resolved_at IS NULL
    LIMIT 1
  ) AS quarantine,
  (
    SELECT to_json(r) FROM learning_record AS r
    JOIN learning_item_progress AS p ON p.learning_record_id = r.id
    WHERE p.tenant_id = $tenant_id AND CAST(p.enrollment_id AS VARCHAR) = $id
  ) AS learning_record,
  (
    SELECT to_json(p) FROM learning_item_progress AS p
    WHERE p.tenant_id = $tenant_id AND CAST(p.enrollment_id AS VARCHAR) = $id
  ) AS learning_item_progress,
  (
    SELECT to_json(list(
      {status: h.status, rule: h.rule, percent: h.percent, valid_from: h.valid_from, valid_to: h.valid_to}
      ORDER BY h.valid_from, h.valid_to NULLS LAST
    ))
    FROM learning_item_progress_history AS h
    WHERE h.tenant_id = $tenant_id AND CAST(h.enrollment_id AS VARCHAR) = $id
  ) AS history,
  (
    SELECT to_json(m) FROM salesforce.learner_matches AS m
    JOIN absorb.enrollments AS e ON e.tenant_id = m.tenant_id AND e.user_id = m.user_id
    WHERE e.tenant_id = $tenant_id AND CAST(e.id AS VARCHAR) = $id
  ) AS learner,
  (
    SELECT to_json(l) FROM salesforce.push_ledger AS l
    WHERE l.tenant_id = $tenant_id AND l.target_object = 'LMS_Enrollment__c' AND l.external_id = $id
    ORDER BY l.last_sent_at DESC
    LIMIT 1
  ) AS push,
  (
    SELECT to_json(l) FROM ops.learning_record_ledger AS l
    JOIN learning_item_progress AS p ON p.tenant_id = l.tenant_id AND p.learning_record_id = l.record_id
    WHERE p.tenant_id = $tenant_id AND CAST(p.enrollment_id AS VARCHAR) = $id
    ORDER BY l.last_sent_at DESC
    LIMIT 1
  ) AS record_push,
  (
    SELECT to_json(s) FROM salesforce.learning_item_progress AS s
    JOIN salesforce.learner_matches AS m ON m.tenant_id = s.tenant_id AND m.salesforce_user_id = s."OwnerId"
    JOIN salesforce.item_matches AS i ON i.tenant_id = s.tenant_id AND i.learning_item_id = s."LearningItemId"
    JOIN absorb.enrollments AS e ON e.tenant_id = s.tenant_id AND e.user_id = m.user_id AND e.course_id = i.course_id
    WHERE e.tenant_id = $tenant_id AND CAST(e.id AS VARCHAR) = $id AND s._removed_at IS NULL
    ORDER BY s."SystemModstamp" DESC
    LIMIT 1
  ) AS native
