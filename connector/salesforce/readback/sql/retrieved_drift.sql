-- In what a native record differs from ours.
SELECT kind, field, ours, theirs
FROM salesforce.drift
WHERE tenant_id = $tenant_id AND object = 'LearningItemProgress' AND salesforce_id = $id
ORDER BY kind, field;
