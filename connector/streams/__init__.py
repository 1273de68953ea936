"""The streams of the source as pydantic models: what a row holds, and the column that each field becomes."""
