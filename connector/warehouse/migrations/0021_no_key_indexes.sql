-- The large tables lose their primary keys: connector/warehouse/unindexed.py copies each into a table without one, in the
-- transaction of this migration. The tables and their keys are listed in connector/warehouse/keys.py.

-- Lists whose newest rows need not be read again by every pull (connector/absorb/pull/plan.py).
ALTER TABLE ops.watermarks ADD COLUMN moved_at TIMESTAMPTZ;      -- when the watermark last moved, or earlier
ALTER TABLE ops.watermarks ADD COLUMN settled_minutes DOUBLE;    -- so long after that the list was read again, unmoved
UPDATE ops.watermarks SET moved_at = completed_at;
