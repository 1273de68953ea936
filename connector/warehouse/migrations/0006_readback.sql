-- What the org holds, read back: how far each object has been read, who is gone, our own records, and where they differ
-- from what was sent. Two more states of the push ledger: missing (the record is gone from the org) and changed (somebody
-- else wrote to it); both are due again.
ALTER TABLE salesforce.users ADD COLUMN _removed_at TIMESTAMPTZ;      -- when a read found that it is there no more
ALTER TABLE salesforce.contacts ADD COLUMN "IsDeleted" BOOLEAN;       -- the org's own word
ALTER TABLE salesforce.contacts ADD COLUMN _removed_at TIMESTAMPTZ;
ALTER TABLE salesforce.learning_items ADD COLUMN "IsDeleted" BOOLEAN;
ALTER TABLE salesforce.learning_items ADD COLUMN _removed_at TIMESTAMPTZ;
ALTER TABLE salesforce.learning_item_progress ADD COLUMN "IsDeleted" BOOLEAN;
ALTER TABLE salesforce.learning_item_progress ADD COLUMN _removed_at TIMESTAMPTZ;

-- How far each object has been read. Written in the transaction that writes the rows it covers.
CREATE TABLE salesforce.checkpoints (
  tenant_id VARCHAR NOT NULL,
  object VARCHAR NOT NULL,
  org_id VARCHAR NOT NULL,             -- whose rows the table holds; another org's take their place
  covered_until TIMESTAMPTZ NOT NULL,  -- by the org's clock: every change up to here is in the table
  full_at TIMESTAMPTZ NOT NULL,        -- by the org's clock: when all of it was last read
  fields VARCHAR NOT NULL,             -- what was read of each record; other fields need a full read
  read_at TIMESTAMPTZ NOT NULL,
  run_id VARCHAR NOT NULL,
  PRIMARY KEY (tenant_id, object)
);

-- Our own records as the org has them. `fields` holds what the field map sends, as the org answers it.
CREATE TABLE salesforce.lms_courses (
  tenant_id VARCHAR NOT NULL,
  "Id" VARCHAR NOT NULL,
  external_id VARCHAR,
  fields JSON,
  "SystemModstamp" TIMESTAMPTZ,
  "LastModifiedById" VARCHAR,
  "IsDeleted" BOOLEAN,
  _removed_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, "Id")
);

CREATE TABLE salesforce.lms_enrollments (
  tenant_id VARCHAR NOT NULL,
  "Id" VARCHAR NOT NULL,
  external_id VARCHAR,
  fields JSON,
  "SystemModstamp" TIMESTAMPTZ,
  "LastModifiedById" VARCHAR,
  "IsDeleted" BOOLEAN,
  _removed_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, "Id")
);

-- Fields of our records that somebody else gave another value. Recomputed by each read-back.
CREATE TABLE salesforce.foreign_changes (
  tenant_id VARCHAR NOT NULL,
  object VARCHAR NOT NULL,
  external_id VARCHAR NOT NULL,
  "Id" VARCHAR NOT NULL,
  field VARCHAR NOT NULL,
  sent VARCHAR,
  found VARCHAR,
  changed_by VARCHAR,
  changed_at TIMESTAMPTZ
);

-- Which LearningItem each course is (mappings/learning_items.csv, else the name).
CREATE TABLE salesforce.item_matches (
  tenant_id VARCHAR NOT NULL,
  course_id UUID NOT NULL,
  outcome VARCHAR NOT NULL,            -- matched | ambiguous | unmatched
  rule VARCHAR,                        -- crosswalk | name
  hits INTEGER NOT NULL,
  learning_item_id VARCHAR,
  PRIMARY KEY (tenant_id, course_id)
);

-- Where Salesforce and what learnsync says of it disagree: one row per difference.
--   status   LearningItemProgress.ProgressStatus is not ours, for the same user and the matched learning item
--   changed  a field of a record that learnsync pushed has another value, given to it by somebody else
--   deleted  a record that learnsync pushed is gone from the org, and not made anew yet
CREATE VIEW salesforce.drift AS
SELECT
  s.tenant_id,
  'status' AS kind,
  'LearningItemProgress' AS object,
  CAST(p.enrollment_id AS VARCHAR) AS external_id,
  s."Id" AS salesforce_id,
  'ProgressStatus' AS field,
  p."ProgressStatus" AS ours,
  s."ProgressStatus" AS theirs,
  CAST(NULL AS VARCHAR) AS changed_by,
  s."SystemModstamp" AS changed_at
FROM salesforce.learning_item_progress AS s
JOIN main.learning_item_progress AS p
  ON p.tenant_id = s.tenant_id AND p."OwnerId" = s."OwnerId" AND p."LearningItemId" = s."LearningItemId"
WHERE p.is_current AND s._removed_at IS NULL AND p."ProgressStatus" IS DISTINCT FROM s."ProgressStatus"
UNION ALL
SELECT tenant_id, 'changed', object, external_id, "Id", field, sent, found, changed_by, changed_at
FROM salesforce.foreign_changes
UNION ALL
SELECT l.tenant_id, 'deleted', l.target_object, l.external_id, r."Id", NULL, NULL, NULL, r."LastModifiedById", r._removed_at
FROM salesforce.push_ledger AS l
JOIN salesforce.checkpoints AS c
  ON c.tenant_id = l.tenant_id AND c.org_id = l.org_id AND c.object = l.target_object
LEFT JOIN (
  SELECT 'LMS_Course__c' AS object, * FROM salesforce.lms_courses WHERE _removed_at IS NOT NULL
  UNION ALL
  SELECT 'LMS_Enrollment__c', * FROM salesforce.lms_enrollments WHERE _removed_at IS NOT NULL
) AS r ON r.tenant_id = l.tenant_id AND r.object = l.target_object AND r.external_id = l.external_id
WHERE l.state = 'missing'
-- A record may have been deleted and made anew more than once.
QUALIFY row_number() OVER (
  PARTITION BY l.tenant_id, l.target_object, l.external_id ORDER BY r._removed_at DESC NULLS LAST
) = 1;
