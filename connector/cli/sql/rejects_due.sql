-- Marks refused pushes of one ledger as due: the next push sends what is deferred.
UPDATE {{ledger}}
SET state = 'deferred'
WHERE state = 'rejected'
  AND {{key}} IN (SELECT (tenant_id, place, target_object, external_id) FROM ({{pushes}}))
