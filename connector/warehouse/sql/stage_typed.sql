-- Each landed row cast field by field; `_unfit` marks one with a field that does not fit or a required one missing.
-- `_shape` tells rows with different sets of keys apart, so that a field nobody knows is noticed.
CREATE OR REPLACE TEMP TABLE staged_all AS
SELECT
  seq,
  {{values}},
  {{extra}} AS _extra,
  ({{unfit}}) AS _unfit,
  hash(json_keys(raw)) AS _shape
FROM (SELECT seq, raw, json_transform(raw, {{structure}}) AS r FROM ({{landed_rows}}));
