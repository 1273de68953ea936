-- What learnsync says of the enrollment that a native record goes with, by the matches.
SELECT
  CAST(p.enrollment_id AS VARCHAR) AS enrollment_id, p."ProgressStatus", CAST(p."CompletedPercent" AS DOUBLE) AS "CompletedPercent",
  p."CompletedDate", p."CompletedOnDay", p."DaysInProgress", p."StartDate", p.rule
FROM salesforce.learning_item_progress AS s
JOIN salesforce.learner_matches AS m ON m.tenant_id = s.tenant_id AND m.salesforce_user_id = s."OwnerId"
JOIN salesforce.item_matches AS i ON i.tenant_id = s.tenant_id AND i.learning_item_id = s."LearningItemId"
JOIN main.learning_item_progress AS p
  ON p.tenant_id = s.tenant_id AND p.user_id = m.user_id AND p.course_id = i.course_id
WHERE s.tenant_id = $tenant_id AND s."Id" = $id AND p.is_current;
