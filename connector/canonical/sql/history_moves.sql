SELECT status_before || ' → ' || status, count(*) FROM restated WHERE status_before <> status GROUP BY ALL
