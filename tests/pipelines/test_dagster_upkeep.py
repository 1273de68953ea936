"""Pruning Dagster's own history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from pipelines.defs import upkeep


@dg.asset
def kept() -> None:
    """An asset that is made now and then."""


@pytest.fixture
def instance(configured: dg.DagsterInstance) -> dg.DagsterInstance:
    """On disk, where runs have files of their own."""
    return configured


def ids(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def test_old_finished_runs_go_and_the_newest_materialization_stays(instance: dg.DagsterInstance) -> None:
    runs = [dg.materialize([kept], instance=instance).run_id for _ in range(3)]
    running = instance.create_run_for_job(upkeep.prune_runs, status=dg.DagsterRunStatus.STARTED).run_id
    keep = upkeep.latest_runs(instance)
    assert keep == {runs[-1]}
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for run_id in upkeep.old_runs(instance, tomorrow, keep):
        upkeep.delete_run(instance, run_id)
    assert ids(instance) == {runs[-1], running}
    assert instance.get_latest_materialization_event(dg.AssetKey("kept")) is not None


def test_recent_runs_stay(instance: dg.DagsterInstance) -> None:
    run = dg.materialize([kept], instance=instance).run_id
    result = upkeep.prune_runs.execute_in_process(instance=instance)
    assert result.output_for_node("delete_old_runs") == {"deleted": 0}
    assert run in ids(instance)


def test_the_job_deletes_batch_after_batch(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_BATCH", 2)
    for _ in range(5):
        dg.materialize([kept], instance=instance)
    monkeypatch.setattr(upkeep, "timedelta", lambda days: timedelta(days=-days))
    result = upkeep.prune_runs.execute_in_process(instance=instance)
    assert result.output_for_node("delete_old_runs") == {"deleted": 4}
