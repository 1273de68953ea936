-- The distinct answers of a job.
SELECT DISTINCT answer, success, code, text, prior_code FROM bulk_results;
