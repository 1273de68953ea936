"""The DuckDB warehouse: opening and locking, migrations, loading of landed pages, runs, publishing."""
