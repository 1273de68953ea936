"""SIGINT and SIGTERM end a command within five seconds, also where DuckDB is in the middle of a statement."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import query

from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import load_settings
from connector.sync import run_publish
from connector.warehouse.database import Warehouse

pytestmark = pytest.mark.lets_go

ENDLESS = Path(__file__).with_name("endless.py")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_warehouse: Path) -> Path:
    found = tmp_path / "warehouse.duckdb"
    shutil.copy(new_warehouse, found)
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(found))
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", str(tmp_path / "learning.duckdb"))
    return found


def begun(place: str, *arguments: str, in_background: bool = False) -> subprocess.Popen[str]:
    """`learnsync` with these arguments, in the middle of an endless statement."""
    command = [sys.executable, str(ENDLESS), place, *arguments]
    if in_background:  # as a shell without job control starts `command &`
        command = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stderr is not None
    while (line := process.stderr.readline()) != "endless\n":
        assert line, "the command ended before it came to the statement"
    return process


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[str, str]:
    """Send the signal; (standard output, standard error). The process is gone within five seconds."""
    asked_at = time.monotonic()
    process.send_signal(number)
    try:
        printed, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == CODES[number], said
    assert time.monotonic() - asked_at < 5
    assert said.count("interrupted") == 1, said
    assert "Traceback" not in said
    return printed, said


def last_run(path: Path) -> tuple[object, ...]:
    return query(Warehouse(path), "SELECT command, outcome, message FROM ops.runs ORDER BY started_at DESC LIMIT 1")[0]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_a_publish_is_interrupted_and_leaves_no_draft(path: Path, number: signal.Signals) -> None:
    target = run_publish(load_settings()).path
    before = target.read_bytes()
    printed, _ = ended(begun("publish", "publish", "--json"), number)
    assert json.loads(printed)["exit_code"] == CODES[number]
    assert sorted(file.name for file in path.parent.iterdir()) == [target.name, path.name]
    assert target.read_bytes() == before
    assert last_run(path) == ("publish", "interrupted", "a signal ended it")
    run_publish(load_settings())


def test_a_background_job_that_ignores_ctrl_c_ends_on_sigterm(path: Path) -> None:
    process = begun("build", "build", in_background=True)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)
    ended(process, signal.SIGTERM)
    assert last_run(path) == ("build", "interrupted", "a signal ended it")


@pytest.mark.parametrize(
    ("number", "in_background"),
    [(signal.SIGINT, False), pytest.param(signal.SIGTERM, True, marks=pytest.mark.soak)],
)
def test_a_sync_that_loads_is_interrupted_and_the_next_one_brings_all(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, in_background: bool
) -> None:
    with Sandbox(SandboxOptions(scale=60, courses=4, rate_limit=0, salesforce=False)) as box:
        for name, value in box.settings().items():
            monkeypatch.setenv(name, value)
        ended(begun("load", "sync", in_background=in_background), number)
        assert last_run(path) == ("pull", "interrupted", "a signal ended it")
        assert [file.name for file in path.parent.iterdir() if "draft" in file.name] == []
        subprocess.run([sys.executable, "-m", "connector.cli", "sync"], check=True, capture_output=True)
        assert query(Warehouse(path), "SELECT count(*) FROM absorb.enrollments") == [(box.portal.count("enrollments"),)]
