-- Each landed row cast field by field; `_unfit` marks one with a field that does not fit or a required one missing.
CREATE OR REPLACE TEMP TABLE staged_all AS
SELECT
  seq,
  {{values}},
  ({{unfit}}) AS _unfit
FROM (SELECT seq, json_transform(raw, '{{structure}}') AS r FROM ({{landed_rows}}));
