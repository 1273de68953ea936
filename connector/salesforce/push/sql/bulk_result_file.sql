-- The rows of a result file. Nothing is guessed, and one thread reads: a quoted value may span lines.
SELECT {{key}} AS external_id, {{id}} AS salesforce_id, lower({{created}}) AS created, {{error}} AS error
FROM read_csv(
  {{file}}, columns = {{{columns}}}, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"',
  parallel = false, max_line_size = 16000000
)
