"""dagster.yaml is what Dagster accepts, and means what it says."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus
from filelock import FileLock

from connector import redact
from pipelines import instance

REPO = Path(__file__).resolve().parents[2]


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


def tables(home: Path) -> set[str]:
    found: set[str] = set()
    for file in home.rglob("*.db"):
        with closing(sqlite3.connect(file)) as connection:
            found |= {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return found


def test_who_begins_at_the_same_moment_in_a_new_folder_takes_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, made = dg.DagsterInstance.from_config, list[str]()
    monkeypatch.setattr(dg.DagsterInstance, "from_config", lambda home: made.append(home) or really(home))
    with ThreadPoolExecutor() as threads:
        with FileLock(tmp_path / instance.LOCK):  # the process that came first
            second = threads.submit(instance.make, tmp_path)
            with pytest.raises(TimeoutError):
                second.result(0.3)
            assert made == []
        second.result(60)
    assert {"runs", "event_logs", "secondary_indexes", "jobs"} <= tables(tmp_path)


@pytest.mark.soak
def test_processes_that_begin_at_the_same_moment_in_a_new_folder_make_one_instance(tmp_path: Path) -> None:
    shutil.copy(REPO / "dagster.yaml", tmp_path)
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-m", "pipelines.instance"]
    started = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in started]
    assert [said for said, code in ended if code] == []
    assert {"runs", "event_logs", "secondary_indexes", "jobs"} <= tables(tmp_path)


@pytest.mark.soak
def test_two_jobs_that_begin_at_the_same_moment_on_an_instance_that_was_made_both_end_well(tmp_path: Path) -> None:
    shutil.copy(REPO / "dagster.yaml", tmp_path)
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(REPO)}
    subprocess.run([sys.executable, "-m", "pipelines.instance"], env=environment, check=True)
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "pipelines.definitions", "-j", "prune_runs"]
    started = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [(process.communicate(timeout=120)[1], process.returncode) for process in started]
    assert [said[-2000:] for said, code in ended if code] == []
