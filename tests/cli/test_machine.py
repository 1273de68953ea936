"""A machine that has no more room, memory or files: one message with the path and what is needed, nothing half-done."""

from __future__ import annotations

import io
import json
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from support import query

from connector import machine
from connector.cli import main
from connector.errors import ResourceError
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import load_settings
from connector.sync import run_sync
from connector.warehouse.database import Warehouse

pytestmark = pytest.mark.lets_go

MIN_FREE = "LEARNSYNC_WAREHOUSE__MIN_FREE_MB"
ROOM_FOR_A_ROW = 64 * 1024  # a block of the write-ahead log and its neighbours
KILLED = (-signal.SIGABRT, -signal.SIGSEGV, 127)  # by the C library, for want of memory


class Done(NamedTuple):
    """How a command ended: its exit code and the one message of a failure, remedy included."""

    code: int
    printed: str
    message: str


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=150, courses=4, rate_limit=0, salesforce=False)) as running:
        yield running


@pytest.fixture
def folder(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the warehouse would be; every command finds the sandbox."""
    found = tmp_path / "data"
    found.mkdir()
    for name, value in box.settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(MIN_FREE, "0")
    use(found, monkeypatch)
    return found


def use(found: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(found / "warehouse.duckdb"))
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", str(found / "learning.duckdb"))


def learnsync(*arguments: str, limit: tuple[int, int] | None = None) -> Done:
    """Run a command: under a limit of the system (which one, how much) as a process, else here, which is faster."""

    def begin() -> None:
        assert limit is not None
        resource.setrlimit(limit[0], (limit[1], limit[1]))

    if limit is None:
        return checked(*called(arguments))
    done = subprocess.run(
        [sys.executable, "-m", "connector.cli", *arguments],
        capture_output=True, text=True, env=dict(os.environ), preexec_fn=begin, check=False,
    )  # fmt: skip
    return checked(done.returncode, done.stdout, done.stderr)


def called(arguments: Sequence[str]) -> tuple[int, str, str]:
    printed, said = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed), redirect_stderr(said):
        patch.setattr(sys, "argv", ["learnsync", *arguments])
        patch.setattr(logging.getLogger(), "handlers", [])
        with pytest.raises(SystemExit) as left:
            main()
    return int(left.value.code or 0), printed.getvalue(), said.getvalue()


def checked(code: int, printed: str, said: str) -> Done:
    """One complaint with one remedy where it failed, nothing of the kind where it did not."""
    assert "Traceback" not in said, said
    assert "WARNING" not in said.replace("WARNING connector.sync: there was no warehouse", ""), said
    complaints = [line for line in said.splitlines() if line.startswith("learnsync: ") and line.endswith(".")]
    remedies = [line for line in said.splitlines() if line.startswith("  → ")]
    if code not in KILLED:
        assert len(complaints) == len(remedies) == (code == 2), said
    return Done(code, printed, " ".join([*complaints, *remedies]))


def last_run() -> tuple[str, str]:
    [[outcome, message]] = query(
        Warehouse.of(load_settings()), "SELECT outcome, message FROM ops.runs ORDER BY started_at DESC LIMIT 1"
    )
    return outcome, message or ""


def brings_all(box: Sandbox) -> bool:
    assert run_sync(load_settings()).complete
    [[rows]] = query(Warehouse.of(load_settings()), "SELECT count(*) FROM absorb.enrollments")
    return bool(rows == box.portal.count("enrollments"))


def test_a_new_warehouse_that_finds_no_room_leaves_no_half_made_file(folder: Path) -> None:
    done = learnsync("build", limit=(resource.RLIMIT_FSIZE, 1_000_000))
    assert done.code == 2
    assert f"LEARNSYNC_WAREHOUSE__PATH = {folder / 'warehouse.duckdb'}" in done.message
    assert "File too large" in done.message
    assert "ulimit -f" in done.message
    assert list(folder.iterdir()) == []
    assert learnsync("build").code == 0


@pytest.mark.parametrize(
    ("command", "limit", "said"),
    [
        ("pull", (resource.RLIMIT_FSIZE, 30_000), ("Beside ", "File too large", "ulimit -f")),
        ("publish", (resource.RLIMIT_FSIZE, 500_000), ("PUBLISH_PATH", "File too large", "ulimit -f")),
        ("pull", (resource.RLIMIT_NOFILE, 14), ("Too many open files", "ulimit -n")),
    ],
    ids=["full in a pull", "full in a publish", "descriptors"],
)
def test_what_the_machine_refuses_is_one_message_and_status_tells_of_it(
    folder: Path, new_warehouse: Path, command: str, limit: tuple[int, int], said: Sequence[str]
) -> None:
    shutil.copy(new_warehouse, folder / "warehouse.duckdb")
    done = learnsync(command, limit=limit)
    assert done.code == 2
    assert [text for text in said if text not in done.message] == []
    assert list(folder.glob(".*.draft*")) == []
    outcome, message = last_run()
    assert outcome == "failed"
    assert said[0] in message
    if limit[0] == resource.RLIMIT_FSIZE:
        assert learnsync(command).code == 0


def test_too_little_memory_for_a_statement_is_told_so(folder: Path) -> None:
    def execute(*statements: str) -> None:
        with Warehouse.of(load_settings()).connect() as connection:
            for statement in statements:
                connection.execute(statement)

    much = "CREATE TEMP TABLE much AS SELECT range, repeat('x', 900) FROM range(100000) ORDER BY random()"
    with pytest.raises(ResourceError, match="WAREHOUSE__PATH") as refusal:
        execute("SET memory_limit = '20MB'; SET temp_directory = ''", much)
    assert refusal.value.remedy == machine.NO_MEMORY
    with pytest.raises(duckdb.BinderException):
        execute("SELECT no_such_column")  # a mistake of ours is not called so


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A disk in memory of this size; the test is skipped where nobody may make one."""
    place = Path(os.environ["LEARNSYNC_WAREHOUSE__PATH"]).parent
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, text=True, check=False
    ) if shutil.which("mount") else None  # fmt: skip
    if mounted is None or mounted.returncode:
        pytest.skip(f"this machine lets us make no small disk: {mounted.stderr.strip() if mounted else 'no mount'}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.soak
@pytest.mark.parametrize("size", ["300k", "1m", "3m", "5m", "7m", "9m", "12m"])
def test_a_full_disk_loses_nothing(folder: Path, box: Sandbox, size: str) -> None:
    with small_disk(size) as disk:
        done = learnsync("sync")
        assert done.code in (0, 2)
        if done.code:
            assert str(disk) in done.message
            assert "Make room there" in done.message
        warehouse = disk / "warehouse.duckdb"
        # Where not even the row of the run fits, only the message tells of it.
        if done.code and warehouse.exists() and shutil.disk_usage(disk).free > ROOM_FOR_A_ROW:
            assert last_run()[0] != "complete"
        assert not list(disk.glob(".*"))
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        assert brings_all(box)


@pytest.mark.soak
@pytest.mark.parametrize("megabytes", [250, 300, 350, 400, 500, 600, 800])
def test_too_little_memory_loses_nothing(folder: Path, box: Sandbox, megabytes: int) -> None:
    """Where a thread finds no memory to begin with, the C library ends the process: that is as good as a kill."""
    done = learnsync("sync", limit=(resource.RLIMIT_AS, megabytes * 1_000_000))
    assert done.code in (0, 2, *KILLED)
    assert brings_all(box)


def test_an_outbox_that_nobody_can_write_into_is_named(
    folder: Path, new_warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(new_warehouse, folder / "warehouse.duckdb")
    (folder / "outbox").touch()  # a mode would not keep root out
    salesforce = {"LOGIN_URL": "http://127.0.0.1:9", "CLIENT_ID": "client", "CLIENT_SECRET": "of-the-client"}
    for name, value in salesforce.items():
        monkeypatch.setenv(f"LEARNSYNC_SALESFORCE__{name}", value)
    done = learnsync("push")
    assert done.code == 2
    assert str(folder / "outbox") in done.message


def test_certificates_that_are_not_there_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert learnsync("build").code == 0
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file.pem")
    done = learnsync("sync")
    assert done.code == 2
    assert "SSL_CERT_FILE = /no/such/file.pem" in done.message
    assert "SSL_CERT_FILE" in last_run()[1]


def test_room_is_looked_at_before_a_pull_and_doctor_shows_it(
    folder: Path, new_warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(new_warehouse, folder / "warehouse.duckdb")

    def room() -> dict[str, str]:
        checks = json.loads(learnsync("doctor", "--json").printed)["checks"]
        found: dict[str, str] = next(check for check in checks if check["check"] == "room")
        return found

    assert room()["verdict"] == "ok"
    monkeypatch.setenv(MIN_FREE, "9999999")
    done = learnsync("pull")
    assert done.code == 2
    assert MIN_FREE in done.message
    assert "MB free" in done.message
    assert last_run()[0] == "failed"
    monkeypatch.setenv(MIN_FREE, "0")
    assert learnsync("pull").code == 0


Change = Callable[[Path], None]


def overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        for at in range(16_384, path.stat().st_size, 262_144):
            file.seek(at)
            file.write(os.urandom(64))


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


@pytest.mark.parametrize("change", [overwritten, cut])
def test_a_damaged_file_is_named_with_the_commands_that_help(
    folder: Path, new_warehouse: Path, box: Sandbox, change: Change
) -> None:
    path = folder / "warehouse.duckdb"
    shutil.copy(new_warehouse, path)
    change(path)
    done = learnsync("status")
    assert done.code == 2
    assert f"LEARNSYNC_WAREHOUSE__PATH = {path}: the file is damaged" in done.message
    [moves] = [part for part in done.message.split("`") if part.startswith("mkdir")]
    subprocess.run(moves, shell=True, check=True, cwd=folder)
    assert "learnsync sync --full" in done.message
    if change is cut:
        assert brings_all(box)
