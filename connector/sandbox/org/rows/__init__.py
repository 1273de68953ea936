"""What is kept of records: ids, values, tables, and the judgement of one incoming record."""
