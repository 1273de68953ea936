-- How many rows are new, how many had been removed and return, and how many are new or differ.
SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE returns), count(*) FROM delta;
