"""ops.runs tells of every run how it ended, also of one that could not say so itself."""

from __future__ import annotations

from typing import Any

import pytest
from support import query, records
from test_database import held

from connector.canonical.build import BuildReport
from connector.errors import LearnsyncError, WarehouseLockedError
from connector.sandbox.server import Sandbox
from connector.settings import Settings, load_settings
from connector.sync import run_build, run_pull, stage
from connector.warehouse import runs
from connector.warehouse.database import Warehouse


def begun(warehouse: Warehouse, tenant_id: str, command: str) -> str:
    """A run that wrote that it began, and nothing since."""
    run = runs.begin(tenant_id, command)
    with warehouse.transaction() as connection:
        runs.note_begun(connection, run.run_id)
    return run.run_id


def test_the_next_run_ends_one_that_was_killed(sandbox: Sandbox, settings: Settings) -> None:
    warehouse = Warehouse.of(settings)
    killed = begun(warehouse, settings.tenant_id, "pull")
    others = begun(warehouse, settings.tenant_id, "push"), begun(warehouse, "another tenant", "pull")
    assert run_pull(settings).complete
    found = {row["run_id"]: row for row in records(warehouse, "FROM ops.runs")}
    assert found[killed]["outcome"] == "interrupted"
    assert found[killed]["message"].startswith("the process ended before the run did")
    assert found[killed]["finished_at"] is not None
    assert [found[run_id]["outcome"] for run_id in others] == [None, None]
    assert [row["outcome"] for row in found.values() if row["run_id"] not in (killed, *others)] == ["complete"]


def test_a_run_that_fails_before_it_wrote_anything_is_recorded_too(settings: Settings) -> None:
    def fail(*_: Any) -> BuildReport:
        raise LearnsyncError("No.", remedy="Yes.")

    with Warehouse.of(settings).connect():  # a failure makes no warehouse
        pass
    with pytest.raises(LearnsyncError):
        stage(settings, "build", fail)
    ((command, outcome, message, begun_first),) = query(
        Warehouse.of(settings), "SELECT command, outcome, message, started_at <= finished_at FROM ops.runs"
    )
    assert (command, outcome, message, begun_first) == ("build", "failed", "No. Yes.", True)


def test_a_file_that_another_process_holds_is_waited_for_once_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__LOCK_TIMEOUT_SECONDS", "2")
    waits: list[float] = []
    original = Warehouse._open

    def watched(self: Warehouse) -> Any:
        waits.append(self._lock_timeout)
        return original(self)

    monkeypatch.setattr(Warehouse, "_open", watched)
    with held(settings.warehouse.path), pytest.raises(WarehouseLockedError, match="stayed so for 2 s"):
        run_build(load_settings())
    assert waits == [2.0, 1.0], "the row of the failed run is tried for, but not as long"


def test_a_run_that_nobody_records_leaves_no_row(settings: Settings) -> None:
    with Warehouse.of(settings).transaction() as connection:
        runs.note_begun(connection, runs.new_run_id())
        assert connection.execute("SELECT count(*) FROM ops.runs").fetchone() == (0,)
