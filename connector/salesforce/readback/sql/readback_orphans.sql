-- Enrollments whose course record is gone lost their lookup with it: they are sent again after the course.
UPDATE salesforce.push_ledger AS l SET
  state = 'changed', error_code = 'COURSE_DELETED_IN_ORG',
  error_text = 'the course of the record was deleted in Salesforce'
FROM main.learning_item_progress AS p
JOIN salesforce.push_ledger AS c
  ON c.tenant_id = p.tenant_id AND c.external_id = CAST(p.course_id AS VARCHAR)
WHERE l.tenant_id = $tenant_id AND l.org_id = $org_id AND l.target_object = $object AND l.state = 'accepted'
  AND p.tenant_id = l.tenant_id AND CAST(p.enrollment_id AS VARCHAR) = l.external_id
  AND c.org_id = l.org_id AND c.target_object = $parent AND c.state = 'missing'
