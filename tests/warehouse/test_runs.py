"""ops.runs tells of every run how it ended, also of one that could not say so itself."""

from __future__ import annotations

from support import records

from connector.sandbox.server import Sandbox
from connector.settings import Settings
from connector.sync import run_pull
from connector.warehouse import runs
from connector.warehouse.database import Warehouse


def test_the_next_run_buries_one_that_was_killed(sandbox: Sandbox, settings: Settings) -> None:
    warehouse = Warehouse.of(settings)
    killed = runs.begin(warehouse, settings.tenant_id, "pull")
    others = runs.begin(warehouse, settings.tenant_id, "push"), runs.begin(warehouse, "another tenant", "pull")
    assert run_pull(settings).complete
    found = {row["run_id"]: row for row in records(warehouse, "FROM ops.runs")}
    assert found[killed]["outcome"] == "interrupted"
    assert found[killed]["finished_at"] is not None
    assert [found[run_id]["outcome"] for run_id in others] == [None, None]
    assert [row["outcome"] for row in found.values() if row["run_id"] not in (killed, *others)] == ["complete"]
