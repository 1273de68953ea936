-- The first schema: what Absorb serves (absorb), what the run did (ops), what is pushed and read back (salesforce),
-- and the two canonical tables. All times are TIMESTAMPTZ in UTC. Columns with a leading underscore are ours.
CREATE SCHEMA absorb;
CREATE SCHEMA salesforce;
CREATE SCHEMA ops;

CREATE TABLE ops.migrations (
  version INTEGER PRIMARY KEY,
  name VARCHAR NOT NULL,
  applied_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE absorb.departments (
  tenant_id VARCHAR NOT NULL,
  id UUID NOT NULL,
  name VARCHAR,
  parent_id UUID,
  external_id VARCHAR,
  company_name VARCHAR,
  phone_number VARCHAR,
  email_address VARCHAR,
  use_department_contact_details BOOLEAN,
  currency_id UUID,
  date_edited TIMESTAMPTZ,
  date_added TIMESTAMPTZ,
  _loaded_at TIMESTAMPTZ NOT NULL,
  _run_id VARCHAR NOT NULL,
  _removed_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE absorb.users (
  tenant_id VARCHAR NOT NULL,
  id UUID NOT NULL,
  department_id UUID,
  first_name VARCHAR,
  middle_name VARCHAR,
  last_name VARCHAR,
  username VARCHAR,
  email_address VARCHAR,
  cc_email_addresses JSON,
  external_id VARCHAR,
  has_username BOOLEAN,
  gender BIGINT,
  address VARCHAR,
  address2 VARCHAR,
  city VARCHAR,
  province_id VARCHAR,
  country_id VARCHAR,
  postal_code VARCHAR,
  phone VARCHAR,
  notes VARCHAR,
  employee_number VARCHAR,
  location VARCHAR,
  job_title VARCHAR,
  reference_number VARCHAR,
  date_hired TIMESTAMPTZ,
  date_terminated TIMESTAMPTZ,
  last_login_date TIMESTAMPTZ,
  active_status BIGINT,
  is_learner BOOLEAN,
  is_admin BOOLEAN,
  is_instructor BOOLEAN,
  is_manager BOOLEAN,
  supervisor_id UUID,
  language_id BIGINT,
  role_ids JSON,
  custom_fields JSON,
  date_edited TIMESTAMPTZ,
  date_added TIMESTAMPTZ,
  _loaded_at TIMESTAMPTZ NOT NULL,
  _run_id VARCHAR NOT NULL,
  _removed_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE absorb.courses (
  tenant_id VARCHAR NOT NULL,
  id UUID NOT NULL,
  course_type VARCHAR,
  name VARCHAR,
  description VARCHAR,
  notes VARCHAR,
  goals VARCHAR,
  audience VARCHAR,
  external_id VARCHAR,
  active_status BIGINT,
  category_id UUID,
  vendor VARCHAR,
  certificate_url VARCHAR,
  allow_course_evaluation BOOLEAN,
  access_date TIMESTAMPTZ,
  expire_type BIGINT,
  expire_duration JSON,
  expiry_date TIMESTAMPTZ,
  prerequisite_course_ids JSON,
  post_enrollment_course_ids JSON,
  tag_ids JSON,
  resource_ids JSON,
  editor_ids JSON,
  competency_definition_ids JSON,
  prices JSON,
  company_cost DOUBLE,
  learner_cost DOUBLE,
  company_time DOUBLE,
  learner_time DOUBLE,
  date_edited TIMESTAMPTZ,
  date_added TIMESTAMPTZ,
  _loaded_at TIMESTAMPTZ NOT NULL,
  _run_id VARCHAR NOT NULL,
  _removed_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, id)
);

CREATE TABLE absorb.enrollments (
  tenant_id VARCHAR NOT NULL,
  id UUID NOT NULL,
  course_id UUID NOT NULL,
  course_name VARCHAR,
  user_id UUID NOT NULL,
  full_name VARCHAR,
  job_title VARCHAR,
  status BIGINT NOT NULL,
  progress DOUBLE,
  score DOUBLE,
  is_active BOOLEAN NOT NULL,
  date_added TIMESTAMPTZ NOT NULL,
  date_edited TIMESTAMPTZ NOT NULL,
  date_started TIMESTAMPTZ,
  date_completed TIMESTAMPTZ,
  date_expires TIMESTAMPTZ,
  date_due TIMESTAMPTZ,
  access_date TIMESTAMPTZ,
  time_spent VARCHAR,
  time_spent_ticks BIGINT,
  accepted_terms_and_conditions BOOLEAN,
  course_version_id UUID,
  enrollment_key_id UUID,
  certificate_id UUID,
  credits DOUBLE,
  course_collection_id UUID,
  avatar VARCHAR,
  _due_day DATE,
  _loaded_at TIMESTAMPTZ NOT NULL,
  _run_id VARCHAR NOT NULL,
  _removed_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, id)
);

-- One row per run of a command; `stats` is what the command reported, as JSON.
CREATE TABLE ops.runs (
  run_id VARCHAR PRIMARY KEY,
  tenant_id VARCHAR NOT NULL,
  command VARCHAR NOT NULL,
  started_at TIMESTAMPTZ NOT NULL,
  finished_at TIMESTAMPTZ,
  outcome VARCHAR,               -- complete | incomplete | failed; null while running or when the process died
  message VARCHAR,
  stats JSON
);

-- How far each list has been read. Written in the transaction that writes the rows it covers.
CREATE TABLE ops.watermarks (
  tenant_id VARCHAR NOT NULL,
  stream VARCHAR NOT NULL,
  scope_id VARCHAR NOT NULL,     -- the course of an enrollment list; '*' for an account-wide list
  watermark TIMESTAMPTZ,         -- every row edited up to here is in the warehouse; null while the list was always empty
  "rows" BIGINT NOT NULL,        -- rows read by the pull that set it
  completed_at TIMESTAMPTZ NOT NULL,
  run_id VARCHAR NOT NULL,
  PRIMARY KEY (tenant_id, stream, scope_id)
);

-- Source rows that could not be used, whole and with the reason, until a good row of the same id resolves them.
CREATE TABLE ops.quarantine (
  tenant_id VARCHAR NOT NULL,
  stream VARCHAR NOT NULL,
  source_id VARCHAR NOT NULL,    -- the row's id; a hash of the row where it has none
  stage VARCHAR NOT NULL,        -- load: does not fit the schema | map: no rule decides it
  raw JSON NOT NULL,             -- the row as received
  field VARCHAR,
  reason VARCHAR NOT NULL,
  first_seen TIMESTAMPTZ NOT NULL,
  last_seen TIMESTAMPTZ NOT NULL,
  attempts INTEGER NOT NULL,
  run_id VARCHAR NOT NULL,
  resolved_at TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, stream, source_id, stage)
);

-- The LearningRecord of docs/facts/learning-records.md, same names; one row per Absorb course enrollment ever seen.
CREATE TABLE learning_record (
  id VARCHAR PRIMARY KEY,
  tenant_id VARCHAR NOT NULL,
  app_id VARCHAR,
  created_at TIMESTAMPTZ NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL,
  created_by UUID,
  updated_by UUID,
  source VARCHAR NOT NULL,
  source_type VARCHAR NOT NULL,
  is_deleted BOOLEAN NOT NULL,
  deleted_at TIMESTAMPTZ,
  deleted_by UUID,
  schema_version INTEGER NOT NULL,
  person_id UUID,
  title VARCHAR,
  provider VARCHAR,
  completed_at TIMESTAMPTZ,
  expires_at TIMESTAMPTZ,
  score DOUBLE,
  passed BOOLEAN,
  certification_ref VARCHAR,
  linked_cohort_id UUID,
  linked_assessment_id UUID
);

-- Where each learner stands, in the words of Salesforce's LearningItemProgress (docs/facts/salesforce.md section 0).
CREATE TABLE learning_item_progress (
  tenant_id VARCHAR NOT NULL,
  enrollment_id UUID NOT NULL,
  learning_record_id VARCHAR NOT NULL,
  user_id UUID NOT NULL,
  course_id UUID NOT NULL,
  "OwnerId" VARCHAR,
  "LearningItemId" VARCHAR,
  "ProgressStatus" VARCHAR NOT NULL,
  "CompletedPercent" DECIMAL(5, 2) NOT NULL,
  "CompletedDate" TIMESTAMPTZ,
  "CompletedOnDay" INTEGER,
  "DaysInProgress" INTEGER,
  "StartDate" TIMESTAMPTZ,
  absorb_status INTEGER NOT NULL,
  rule VARCHAR NOT NULL,
  due_at TIMESTAMPTZ,
  is_current BOOLEAN NOT NULL,
  PRIMARY KEY (tenant_id, enrollment_id)
);

CREATE TABLE salesforce.users (
  tenant_id VARCHAR NOT NULL,
  "Id" VARCHAR NOT NULL,
  "FederationIdentifier" VARCHAR,
  "Email" VARCHAR,
  "Username" VARCHAR,
  "IsActive" BOOLEAN,
  "SystemModstamp" TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, "Id")
);

CREATE TABLE salesforce.contacts (
  tenant_id VARCHAR NOT NULL,
  "Id" VARCHAR NOT NULL,
  "Email" VARCHAR,
  "SystemModstamp" TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, "Id")
);

-- Read-back of the standard objects; filled where the org has them.
CREATE TABLE salesforce.learning_items (
  tenant_id VARCHAR NOT NULL,
  "Id" VARCHAR NOT NULL,
  "Name" VARCHAR,
  "Type" VARCHAR,
  "SystemModstamp" TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, "Id")
);

CREATE TABLE salesforce.learning_item_progress (
  tenant_id VARCHAR NOT NULL,
  "Id" VARCHAR NOT NULL,
  "OwnerId" VARCHAR,
  "LearningItemId" VARCHAR,
  "ProgressStatus" VARCHAR,
  "CompletedPercent" DOUBLE,
  "CompletedDate" TIMESTAMPTZ,
  "CompletedOnDay" INTEGER,
  "DaysInProgress" INTEGER,
  "StartDate" TIMESTAMPTZ,
  "SystemModstamp" TIMESTAMPTZ,
  PRIMARY KEY (tenant_id, "Id")
);

-- Which Salesforce person each Absorb learner is, by the first matching rule that has any hit.
CREATE TABLE salesforce.learner_matches (
  tenant_id VARCHAR NOT NULL,
  user_id UUID NOT NULL,
  outcome VARCHAR NOT NULL,      -- matched | ambiguous | unmatched
  rule VARCHAR,
  hits INTEGER NOT NULL,
  salesforce_user_id VARCHAR,
  salesforce_contact_id VARCHAR,
  PRIMARY KEY (tenant_id, user_id)
);

-- One row per target record and org: what was sent last, what the org accepted last, and what it said.
CREATE TABLE salesforce.push_ledger (
  tenant_id VARCHAR NOT NULL,
  org_id VARCHAR NOT NULL,
  target_object VARCHAR NOT NULL,
  external_id VARCHAR NOT NULL,
  payload_hash VARCHAR NOT NULL, -- of the payload sent last
  accepted_hash VARCHAR,         -- of the payload the org accepted last
  salesforce_id VARCHAR,
  state VARCHAR NOT NULL,        -- sent | accepted | rejected | deferred
  error_code VARCHAR,
  error_text VARCHAR,
  attempts INTEGER NOT NULL,
  job_id VARCHAR,
  first_sent_at TIMESTAMPTZ NOT NULL,
  last_sent_at TIMESTAMPTZ NOT NULL,
  accepted_at TIMESTAMPTZ,
  run_id VARCHAR NOT NULL,
  PRIMARY KEY (tenant_id, org_id, target_object, external_id)
);
