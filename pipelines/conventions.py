"""What all assets and jobs share: owner, pool, retries, freshness, and the tag that keeps one writer at a time."""

from datetime import timedelta

import dagster as dg

from connector.settings import variable

OWNERS = ["team:learning-data"]
POOL = "learnsync_writer"
# dagster.yaml lets one run with this tag go at a time; the others wait in the queue.
WRITER_TAG = {"learnsync/writer": "true"}
# HTTP retries belong to the connector, which knows Retry-After: this is for what lasts longer than a call may wait.
RETRY_LATER = dg.RetryPolicy(max_retries=1, delay=60, jitter=dg.Jitter.PLUS_MINUS)
# Warn after eight missed quarters of an hour, fail after a day.
FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=24), warn_window=timedelta(hours=2))

NO_ORG = f"{variable('salesforce', 'login_url')} is not set"
NO_API = f"{variable('learning_records', 'base_url')} is not set"
NO_ASSIGNMENTS = f"{variable('assignments', 'enabled')} is not true"
