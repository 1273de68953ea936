-- Contacts that a learner is, was, or shares with another one; none that only could have been one.
(tenant_id, "Id") IN (
  SELECT (tenant_id, unnest([salesforce_contact_id, last_contact_id, shared_id]))
  FROM warehouse.salesforce.learner_matches
)
