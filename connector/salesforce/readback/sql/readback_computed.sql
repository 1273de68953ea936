-- What {{table}} should hold of the rows just read, of those the org calls deleted, and, after a full read, of those that
-- it did not meet. A row keeps the instant at which it was first found to be gone.
CREATE OR REPLACE TEMP TABLE computed AS
WITH gone AS (
  SELECT unnest(from_json(CAST($gone AS JSON), '[{"Id": "VARCHAR", "at": "TIMESTAMPTZ"}]'), recursive := true)
)
SELECT $tenant_id AS tenant_id, {{columns}}, CAST({{removed}} AS TIMESTAMPTZ) AS _removed_at
FROM staged AS s
LEFT JOIN {{table}} AS h ON h.tenant_id = $tenant_id AND h."Id" = s."Id"
-- An older reading never undoes a newer one.
WHERE h."SystemModstamp" IS NULL OR s."SystemModstamp" >= h."SystemModstamp"
UNION ALL
SELECT h.tenant_id, {{absent}}, coalesce(h._removed_at, r.at, $now)
FROM {{table}} AS h
LEFT JOIN gone AS r ON r."Id" = h."Id"
WHERE h.tenant_id = $tenant_id AND ({{missing}}) AND NOT EXISTS (SELECT 1 FROM staged WHERE staged."Id" = h."Id")
