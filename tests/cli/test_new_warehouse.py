"""A warehouse that is not there or not ours: looking makes none, a foreign file is left alone, a new one announced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from connector.cli.main import app
from connector.errors import LearnsyncError
from connector.sandbox.server import Sandbox, SandboxOptions

pytestmark = pytest.mark.lets_go

PATH = "LEARNSYNC_WAREHOUSE__PATH"
COMMANDS = (
    "pull", "build", "push", "push --dry-run", "sync", "readback", "reconcile", "publish", "status", "adopt",
    "rejects list", "rejects retry", "explain 00000000-0000-4000-8000-000000000000", "assign",
)  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=40, courses=4, rate_limit=0)) as box:
        yield box


@pytest.fixture
def path(running: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the settings say that the warehouse is; its folders are not there."""
    found = tmp_path / "mount" / "learnsync" / "warehouse.duckdb"
    for name, value in running.settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(PATH, str(found))
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", str(tmp_path / "learning.duckdb"))
    return found


def learnsync(*arguments: str) -> tuple[int, str, str]:
    """(exit code, standard output, what a failure says)."""
    done = CliRunner().invoke(app, arguments, env=dict(os.environ))
    if isinstance(done.exception, LearnsyncError):
        return done.exception.exit_code, done.stdout, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, ""


def report_of(*arguments: str) -> dict[str, Any]:
    code, printed, failure = learnsync(*arguments, "--json")
    assert (code, failure) == (0, "")
    found: dict[str, Any] = json.loads(printed)
    return found


def test_who_only_looks_makes_no_warehouse(path: Path, tmp_path: Path) -> None:
    checks = {one["check"]: one for one in report_of("doctor")["checks"]}
    assert checks["warehouse"]["verdict"] == "warn"
    assert "would be created" in checks["warehouse"]["text"]
    assert PATH in checks["warehouse"]["remedy"]
    assert checks["absorb portal"]["verdict"] == checks["salesforce org"]["verdict"] == "ok"
    for command in (
        "status", "rejects", "rejects retry", "rejects clear --yes", "explain 00000000-0000-4000-8000-000000000000",
        "publish", "adopt", "push --dry-run", "push --approve 01M7ZNB169AR5Z6T",
        "readback --record 0zt5g0000000001AAA", "assign",
    ):  # fmt: skip
        code, printed, failure = learnsync(*command.split())
        assert (code, printed) == (2, ""), command
        assert PATH in failure
        assert "learnsync pull" in failure
    assert list(tmp_path.iterdir()) == []


def test_a_pull_says_that_it_made_the_warehouse_and_the_next_one_does_not(path: Path) -> None:
    assert report_of("pull", "--stream", "departments")["new_warehouse"] == str(path)
    assert report_of("pull", "--stream", "departments")["new_warehouse"] is None
    path.unlink()
    assert report_of("sync")["pull"]["new_warehouse"] == str(path)
    path.unlink()
    assert f"A new warehouse was made at {path}." in learnsync("pull", "--stream", "departments")[1]


def test_another_command_that_makes_one_warns_of_it(path: Path) -> None:
    first, second = (CliRunner().invoke(app, ["build", "--json"], env=dict(os.environ)).stderr for _ in range(2))
    assert f"a new, empty one was made at {path}" in first
    assert "warehouse" not in second


def test_a_pull_that_cannot_begin_makes_no_warehouse(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNSYNC_ABSORB__PASSWORD", "wrong-password-77")
    assert learnsync("pull")[0] == 2
    assert not path.exists()


@pytest.mark.parametrize(
    ("with_log", "theirs"), [(False, "version INTEGER"), (True, "theirs TEXT")], ids=["closed", "with its log"]
)
def test_a_foreign_file_is_refused_by_everything_and_stays_as_it_is(path: Path, with_log: bool, theirs: str) -> None:
    path.parent.mkdir(parents=True)
    script = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('CREATE SCHEMA ops');"
        f"c.execute('CREATE TABLE sales AS SELECT 1 AS euro'); c.execute('CREATE TABLE ops.migrations ({theirs})');"
        "os._exit(0) if len(sys.argv) > 2 else c.close()"
    )
    subprocess.run([sys.executable, "-c", script, str(path), *["killed"] * with_log], check=True)
    files = {file.name: file.read_bytes() for file in path.parent.glob("warehouse.duckdb*")}
    assert len(files) == 1 + with_log
    for command in COMMANDS:
        code, printed, failure = learnsync(*command.split())
        assert (code, printed) == (2, ""), command
        assert f"{PATH} = {path}: this DuckDB file is not a warehouse" in failure, (command, failure)
        assert "main.sales" in failure
    code, printed, _ = learnsync("doctor")
    assert code == 2
    assert "fail warehouse: " in printed
    assert {file.name: file.read_bytes() for file in path.parent.glob("warehouse.duckdb*")} == files


def test_a_file_without_any_table_is_a_new_warehouse(path: Path) -> None:
    """A run may have been killed between making the file and its first commit."""
    path.parent.mkdir(parents=True)
    duckdb.connect(str(path)).close()
    report = report_of("pull", "--stream", "departments")
    assert report["new_warehouse"] == str(path)
    assert report["streams"]["departments"]["counts"]["inserted"] > 0
