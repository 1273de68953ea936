-- Who a learner last was in Salesforce: a record that is already there keeps its lookup, and goes on being updated, when
-- the match is lost (a user is deactivated, an address changes, the run-as user loses its view).
ALTER TABLE salesforce.learner_matches ADD COLUMN last_user_id VARCHAR;
ALTER TABLE salesforce.learner_matches ADD COLUMN last_contact_id VARCHAR;
