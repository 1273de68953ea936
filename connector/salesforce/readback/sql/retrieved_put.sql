-- One record as it was retrieved, in the place of the row that a read-back stored.
INSERT INTO salesforce.learning_item_progress BY NAME
SELECT $tenant_id AS tenant_id, unnest(from_json(CAST($record AS JSON), '{
  "Id": "VARCHAR", "OwnerId": "VARCHAR", "LearningItemId": "VARCHAR", "ProgressStatus": "VARCHAR",
  "CompletedPercent": "DOUBLE", "CompletedDate": "TIMESTAMPTZ", "CompletedOnDay": "INTEGER", "DaysInProgress": "INTEGER",
  "StartDate": "TIMESTAMPTZ", "SystemModstamp": "TIMESTAMPTZ", "IsDeleted": "BOOLEAN"
}'))
