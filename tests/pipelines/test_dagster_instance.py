"""dagster.yaml is what Dagster accepts, and means what it says."""

from __future__ import annotations

import logging

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus

from connector import redact


def test_one_writer_at_a_time(configured: dg.DagsterInstance) -> None:
    concurrency = configured.get_concurrency_config()
    limits = concurrency.run_queue_config.tag_concurrency_limits if concurrency.run_queue_config else None
    assert limits == [{"key": "learnsync/writer", "value": "true", "limit": 1}]
    assert concurrency.pool_config.default_pool_limit == 1
    assert concurrency.pool_config.pool_granularity is not None
    assert concurrency.pool_config.pool_granularity.value == "run"


def test_nothing_is_sent_home(configured: dg.DagsterInstance) -> None:
    assert not configured.telemetry_enabled
    assert not configured.nux_enabled


def test_dead_runs_end_and_ticks_are_not_kept_forever(configured: dg.DagsterInstance) -> None:
    assert configured.run_monitoring_enabled
    assert configured.run_monitoring_max_runtime_seconds == 21600
    assert configured.run_retries_enabled
    assert not configured.run_retries_retry_on_asset_or_op_failure
    for kind in (InstigatorType.SCHEDULE, InstigatorType.SENSOR):
        days = configured.get_tick_retention_settings(kind)
        assert all(days[status] > 0 for status in (TickStatus.SKIPPED, TickStatus.SUCCESS, TickStatus.FAILURE))


def test_the_connectors_log_lines_are_events_of_the_run(configured: dg.DagsterInstance) -> None:
    assert set(configured.managed_python_loggers) == {"connector", "pipelines"}


def test_log_lines_reach_the_events_without_secrets(configured: dg.DagsterInstance, defs: dg.Definitions) -> None:
    redact.register("a-secret-of-twenty-1")

    @dg.op
    def talk() -> None:
        logging.getLogger("connector.absorb.pull.pull").warning("the token is %s", "a-secret-of-twenty-1")

    @dg.job(executor_def=dg.in_process_executor)
    def talking() -> None:
        talk()

    result = talking.execute_in_process(instance=configured)
    messages = [entry.user_message for entry in configured.all_logs(result.run_id)]
    assert any("the token is ***" in message for message in messages)
    assert not any("a-secret-of-twenty-1" in message for message in messages)
