MERGE INTO {{table}} AS held
USING changed ON held.tenant_id = changed.tenant_id AND held.{{key}} = changed.{{key}}
WHEN MATCHED THEN UPDATE SET {{assignments}}
WHEN NOT MATCHED THEN INSERT ({{columns}}) VALUES ({{values}});
