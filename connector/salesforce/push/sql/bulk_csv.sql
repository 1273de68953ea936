-- The file of one job: UTF-8 without BOM, LF, `#N/A` for null (an empty cell would leave the old value in place).
COPY (
  SELECT {{columns}}
  FROM bulk_rows
  WHERE part = {{part}}
  ORDER BY sort_key, external_id
) TO {{path}} (FORMAT csv, HEADER, DELIMITER ',', QUOTE '"', ESCAPE '"', NULLSTR '#N/A');
