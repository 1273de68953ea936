-- Dates such as 0001-01-01 stand for none and are no watermark any more: lists that have one are read from the beginning.
UPDATE ops.watermarks SET watermark = NULL
WHERE watermark < TIMESTAMPTZ '1900-01-01 00:00:00+00' OR watermark >= TIMESTAMPTZ '2200-01-01 00:00:00+00';
DELETE FROM ops.resume
WHERE "key" < TIMESTAMPTZ '1900-01-01 00:00:00+00' OR "key" >= TIMESTAMPTZ '2200-01-01 00:00:00+00'
  OR ceiling < TIMESTAMPTZ '1900-01-01 00:00:00+00' OR ceiling >= TIMESTAMPTZ '2200-01-01 00:00:00+00';
