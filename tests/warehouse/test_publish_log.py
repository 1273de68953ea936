"""The log that a session of an analyst leaves beside the published file never becomes part of the next one."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from connector.errors import ResourceError, WarehouseError
from connector.settings import Settings, load_settings
from connector.sync import run_publish as publish
from connector.warehouse.database import Warehouse

# Writes into the published file, and breaks off: at once, or when its input ends, what was written being in the log.
ANALYST = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("SET wal_autocheckpoint = '1TB'")
print("open", flush=True)
sys.stdin.readline()
connection.execute("CREATE TABLE of_the_analyst (n INTEGER)")
os._exit(9)
"""

READER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
print("open", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", str(tmp_path / "learning.duckdb"))
    found = load_settings()
    with Warehouse.of(found).connect():
        return found


def session_of(script: str, path: Path) -> subprocess.Popen[str]:
    """A process that has the file open."""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def analyst(path: Path) -> subprocess.Popen[str]:
    """A session that has the file open for writing."""
    return session_of(ANALYST, path)


def log_of(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def has_theirs(path: Path) -> bool:
    with duckdb.connect(str(path), read_only=True) as copy:
        found = copy.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'of_the_analyst'").fetchone()
    return found != (0,)


def test_a_log_that_lies_there_is_removed_and_said(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    path = publish(settings).path
    with caplog.at_level(logging.WARNING):
        publish(settings)
    assert caplog.messages == [], "an ordinary day"
    analyst(path).communicate("\n", timeout=20)
    assert has_theirs(path), "as the analyst left it"
    with caplog.at_level(logging.WARNING):
        publish(settings)
    assert not log_of(path).exists()
    assert not has_theirs(path)
    assert f"removed {log_of(path)}" in caplog.text


def test_a_log_that_a_session_leaves_after_the_publish_is_refused_by_duckdb(settings: Settings) -> None:
    path = publish(settings).path
    session = analyst(path)
    publish(settings)
    session.communicate("\n", timeout=20)
    assert log_of(path).exists()
    with pytest.raises(duckdb.IOException, match="WAL does not match database file"):
        has_theirs(path)
    publish(settings)
    assert not has_theirs(path)


def test_a_file_without_an_id_that_somebody_writes_into_is_not_replaced(settings: Settings) -> None:
    """As an older learnsync published it. Who reads it is no hindrance, nor who has closed it."""
    path = publish(settings).path
    path.unlink()
    duckdb.connect(str(path)).close()
    session = analyst(path)
    with pytest.raises(WarehouseError, match=r"PUBLISH_PATH.*open for writing"):
        publish(settings)
    session.communicate("\n", timeout=20)
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == b"open\n"
        publish(settings)
        it.communicate(b"\n", timeout=20)
    assert not has_theirs(path)


def test_a_publish_that_does_not_fit_is_not_begun(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = publish(settings).path
    before = path.read_bytes()
    usage = shutil.disk_usage(path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=len(before) - 1))
    with pytest.raises(ResourceError, match=r"PUBLISH_PATH.* MB free, the copy needs"):
        publish(settings)
    assert path.read_bytes() == before
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=len(before)))
    publish(settings)
