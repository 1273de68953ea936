-- What an LMS_Enrollment__c record is made of, and why a row is blocked. Rows sorted by course keep parents together.
-- progress is learning_item_progress, or those of its rows that may have changed: a push need not look at the others. A
-- query of your own is always computed whole.
SELECT
  CAST(p.enrollment_id AS VARCHAR) AS external_id,
  CAST(p.enrollment_id AS VARCHAR) AS enrollment_id,
  CAST(p.course_id AS VARCHAR) AS course_id,
  m.last_user_id AS salesforce_user_id,
  m.last_contact_id AS salesforce_contact_id,
  CASE p.absorb_status {{status_labels}} END AS absorb_status,
  p."ProgressStatus" AS progress_status,
  p.rule AS progress_rule,
  p."CompletedPercent" AS completed_percent,
  round(r.score, 2) AS score,
  p."StartDate" AS start_date,
  p."CompletedDate" AS completed_date,
  p.due_at AS due_date,
  e.date_expires AS expires_date,
  e.date_added AS assigned_date,
  p."CompletedOnDay" AS completed_on_day,
  r.certification_ref AS certificate_id,
  round(e.credits, 2) AS credits,
  p.is_current,
  r.is_deleted AS removed,
  p.learning_record_id,
  CAST(p.course_id AS VARCHAR) AS sort_key,
  CASE
    WHEN coalesce(m.outcome, 'unmatched') = 'matched' OR $push_unmatched THEN NULL
    ELSE coalesce(m.outcome, 'unmatched')
  END AS blocked
FROM {{progress}} AS p
JOIN learning_record AS r ON r.id = p.learning_record_id
JOIN absorb.enrollments AS e ON e.tenant_id = p.tenant_id AND e.id = p.enrollment_id
LEFT JOIN salesforce.learner_matches AS m ON m.tenant_id = p.tenant_id AND m.user_id = p.user_id
WHERE p.tenant_id = $tenant_id
