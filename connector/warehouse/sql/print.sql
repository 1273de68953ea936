-- Of each row to publish: a hash of what it says of a person, and one of all its published values.
CREATE OR REPLACE TEMP TABLE published_now AS
SELECT source.rowid AS row, {{person}} AS person, {{hashed}} AS hash
FROM {{rows}}
