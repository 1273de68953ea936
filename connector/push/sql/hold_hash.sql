SELECT sha256(coalesce(string_agg(concat(external_id, ' ', payload_hash), chr(10) ORDER BY external_id), '')) FROM hold_plan
