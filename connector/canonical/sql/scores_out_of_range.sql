-- Scores that are no percentage: null in learning_record, kept in absorb.enrollments.
SELECT count(*)
FROM absorb.enrollments
WHERE tenant_id = $tenant_id AND _removed_at IS NULL AND score NOT BETWEEN 0 AND 100
