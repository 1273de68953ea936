-- When each course was last read to its end, and the newest change seen in it.
SELECT scope_id, completed_at, watermark
FROM ops.watermarks
WHERE tenant_id = $tenant_id AND stream = 'enrollments';
