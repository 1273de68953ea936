-- Our records that the org has, each with the hash of what it would be sent where it holds just that, else of what it holds.
SELECT
  p.external_id,
  CASE WHEN {{equal}} THEN p.payload_hash ELSE sha256(CAST(s.fields AS VARCHAR)) END AS payload_hash,
  CAST(NULL AS VARCHAR) AS content,
  s."Id" AS salesforce_id
FROM pushable AS p
JOIN {{table}} AS s ON s.tenant_id = $tenant_id AND s.external_id = p.external_id AND s._removed_at IS NULL
QUALIFY row_number() OVER (PARTITION BY p.external_id ORDER BY s."SystemModstamp" DESC NULLS LAST) = 1
