-- The distinct answers of a job.
SELECT DISTINCT answer, success, error_code, error_text, prior_code FROM bulk_results;
