-- Every row of a batch of landed pages as received (connector/warehouse/landed.py). Pages are numbered in the order they
-- arrived, so `seq` orders rows.
SELECT page * 1000000 + unnest(generate_series(1, len(collection))) AS seq, unnest(collection) AS raw
FROM (
  SELECT
    coalesce(page, CAST(parse_filename(filename, true) AS BIGINT)) AS page,
    coalesce(body."{{collection}}", "{{collection}}") AS collection
  FROM read_json(
    $files,
    columns = {'page': 'BIGINT', 'body': 'STRUCT("{{collection}}" JSON[])', '{{collection}}': 'JSON[]'},
    format = 'unstructured',
    filename = true,
    maximum_object_size = {{largest}}
  )
)
