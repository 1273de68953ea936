-- Whether the learner of each enrollment that the difference looked at matches somebody in the org.
CREATE OR REPLACE TEMP VIEW hold_people AS
SELECT CAST(p.enrollment_id AS VARCHAR) AS external_id, coalesce(m.outcome = 'matched', false) AS matched
FROM learning_item_progress AS p
LEFT JOIN salesforce.learner_matches AS m ON m.tenant_id = p.tenant_id AND m.user_id = p.user_id
WHERE {{enrollments}} AND p.tenant_id = {{tenant_id}} AND {{looked_at}}
