-- What the warehouse holds as live, and in which list of the portal each row is looked for.
CREATE OR REPLACE TEMP TABLE live AS
SELECT 'departments' AS stream, '*' AS scope, id FROM absorb.departments WHERE tenant_id = $tenant_id AND _removed_at IS NULL
UNION ALL
SELECT 'users', '*', id FROM absorb.users WHERE tenant_id = $tenant_id AND _removed_at IS NULL
UNION ALL
SELECT 'enrollments', CAST(course_id AS VARCHAR), id
FROM absorb.enrollments
WHERE tenant_id = $tenant_id AND _removed_at IS NULL;
