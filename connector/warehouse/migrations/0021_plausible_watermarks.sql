-- Dates such as 0001-01-01 stand for none and are no watermark any more: lists that have one are read from the beginning.
UPDATE ops.watermarks SET watermark = NULL WHERE watermark < '1900-01-01Z' OR watermark >= '2200-01-01Z';
DELETE FROM ops.resume
WHERE "key" < '1900-01-01Z' OR "key" >= '2200-01-01Z' OR ceiling < '1900-01-01Z' OR ceiling >= '2200-01-01Z';
