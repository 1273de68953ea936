UPDATE {{table}} AS held
SET {{assignments}}
FROM (SELECT computed.*, changes.held_row FROM computed JOIN changes USING ({{key}}) WHERE NOT is_new) AS changed
WHERE held.rowid = changed.held_row
