-- What was done about each assignment of Salesforce: whom learnsync enrolled in Absorb, or why not (docs/assignments.md).
CREATE TABLE ops.assignments (
  tenant_id VARCHAR NOT NULL,
  org_id VARCHAR NOT NULL,
  assignment_id VARCHAR NOT NULL,      -- the record's id in that org
  user_id UUID NOT NULL,               -- the Absorb learner and course it meant when it was sent
  course_id UUID NOT NULL,
  state VARCHAR NOT NULL,              -- sending | enrolled | rejected | deferred
  enrollment_id UUID,                  -- in Absorb; also where the enrollment was there before
  error_code VARCHAR,
  error_text VARCHAR,
  attempts INTEGER NOT NULL,
  first_sent_at TIMESTAMPTZ NOT NULL,
  last_sent_at TIMESTAMPTZ NOT NULL,
  enrolled_at TIMESTAMPTZ,             -- when the enrollment was known to be there
  run_id VARCHAR NOT NULL,
  PRIMARY KEY (tenant_id, org_id, assignment_id)
);
