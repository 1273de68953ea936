-- The large tables lose their primary keys: connector/warehouse/unindexed.py copies each into a table without one, in the
-- transaction of this migration. The tables and their keys are listed in connector/warehouse/keys.py.
SELECT 'connector/warehouse/unindexed.py';
