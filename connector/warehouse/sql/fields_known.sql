SELECT count(*) FROM ops.fields WHERE tenant_id = $tenant_id AND stream = $stream
