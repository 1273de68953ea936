"""A pull killed at any moment loses nothing: the next one ends with what an undisturbed pull ends with."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import Row, query, records

from connector.absorb.pull.pull import pull
from connector.sandbox.server import Sandbox
from connector.settings import Settings, load_settings
from connector.streams import STREAMS
from connector.warehouse.database import Warehouse

pytestmark = pytest.mark.lets_go

# Small batches, so that a kill may fall before, into, between and after several commits.
PULL = """
from connector.absorb.pull.options import Limits, PullOptions
from connector.absorb.pull.pull import pull
from connector.settings import load_settings
from connector.warehouse.database import Warehouse
from connector.warehouse.runs import new_run_id

settings = load_settings()
with Warehouse.of(settings).connect():
    pass
print("ready", flush=True)
assert pull(settings, new_run_id(), PullOptions(limits=Limits(group_lists=6))).complete
"""
REPO = Path(__file__).resolve().parents[2]
COLUMNS = "* EXCLUDE (_loaded_at, _run_id)"


def contents(settings: Settings) -> dict[str, list[Row]]:
    warehouse = Warehouse.of(settings)
    found = {stream: records(warehouse, f"SELECT {COLUMNS} FROM absorb.{stream} ORDER BY id") for stream in STREAMS}
    return found | {"quarantine": records(warehouse, "FROM ops.quarantine")}


def start() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PULL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(REPO)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.communicate()[1]
    return process


@pytest.mark.parametrize("kills", [3, pytest.param(12, marks=pytest.mark.soak)])
def test_a_pull_killed_again_and_again_still_ends_with_everything(
    sandbox: Sandbox, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int
) -> None:
    monkeypatch.setenv("LEARNSYNC_ABSORB__PAGE_SIZE", "10")
    process = start()
    began = time.monotonic()
    assert process.wait(timeout=60) == 0, process.communicate()[1]
    length = time.monotonic() - began
    undisturbed = contents(settings)
    assert len(undisturbed["enrollments"]) == 600

    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "killed" / "warehouse.duckdb"))
    again = load_settings()
    chance = random.Random()
    killed, seen = 0, [0]
    for part in range(kills):
        process = start()
        try:
            process.wait(timeout=length * (part + chance.random()) / (kills + 1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            killed += process.wait(timeout=20) == -signal.SIGKILL
        else:
            assert process.returncode == 0, process.communicate()[1]
        process.communicate()
        seen += [rows for (rows,) in query(Warehouse.of(again), "SELECT count(*) FROM absorb.enrollments")]
    assert killed >= kills // 3
    assert seen == sorted(seen)  # what was committed once stays
    assert pull(again, "the last").complete
    assert contents(again) == undisturbed
    assert [path.name for path in again.warehouse.landing.iterdir()] == [".pull.lock"]
