-- The large tables lose their primary keys: connector/warehouse/unindexed.py copies each into a table without one, in the
-- transaction of this migration. The tables and their keys are listed in connector/warehouse/keys.py.

-- Lists whose newest rows need not be read again by every pull (connector/absorb/pull/plan.py).
ALTER TABLE ops.watermarks ADD COLUMN IF NOT EXISTS moved_at TIMESTAMPTZ; -- when it last moved, or later
ALTER TABLE ops.watermarks ADD COLUMN IF NOT EXISTS settled_minutes DOUBLE; -- read again so long after
UPDATE ops.watermarks SET moved_at = completed_at;
