-- Every id that the sweep saw; not where it was set aside, because another course has an enrollment of that id.
CREATE OR REPLACE TEMP TABLE swept AS
SELECT DISTINCT stream, TRY_CAST(id AS UUID) AS id
FROM read_csv(
  $ids,
  auto_detect = false, header = false, delim = ',', quote = '"',
  columns = {'stream': 'VARCHAR', 'scope': 'VARCHAR', 'id': 'VARCHAR'}
) AS met
ANTI JOIN (
  SELECT source_id
  FROM ops.quarantine
  WHERE tenant_id = $tenant_id AND stream = 'enrollments' AND stage = 'load' AND resolved_at IS NULL
) AS strays ON strays.source_id = met.id || '@' || lower(met.scope);
