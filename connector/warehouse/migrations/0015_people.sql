-- Matching by any field of User or Contact, by hand, and of two learners with one person; and of contacts only those
-- that a learner can match. The outcomes of learner_matches are now matched, ambiguous, unmatched, collision (several
-- learners match the person) and not_in_org (learner_crosswalk.csv names a person that the org does not have).
ALTER TABLE salesforce.users ADD COLUMN fields JSON;              -- compared fields that have no column of their own
ALTER TABLE salesforce.contacts ADD COLUMN fields JSON;
ALTER TABLE salesforce.learner_matches ADD COLUMN shared_id VARCHAR;  -- whom several learners match
ALTER TABLE salesforce.learner_matches ADD COLUMN reason VARCHAR;     -- why the learner is blocked

-- Digests of the values that contacts have been asked for by: the contacts held are all that the org has for them.
CREATE TABLE salesforce.contact_keys (
  tenant_id VARCHAR NOT NULL,
  digest VARCHAR NOT NULL,
  PRIMARY KEY (tenant_id, digest)
);
