UPDATE ops.runs SET finished_at = $now, outcome = $outcome, message = $message, stats = $stats WHERE run_id = $run_id
