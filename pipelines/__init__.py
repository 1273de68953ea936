"""Everything Dagster: assets, checks, jobs and schedules over `connector`. Thin: what a sync does is decided there."""
