"""Locks between processes: who holds one is named, and none outlives its process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.errors import WarehouseError, WarehouseLockedError
from connector.locks import claim, claim_beside

HOLD = """
import pathlib, sys
from connector.locks import claim
held = claim(pathlib.Path(sys.argv[1]), "x", "r-1")
print(flush=True)
input()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "a.lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_lock_names_its_holder_and_falls_with_it(holder: subprocess.Popen[bytes], tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    for _ in range(2):  # a refusal leaves the holder's entry as it is
        with pytest.raises(WarehouseLockedError) as refusal:
            claim(path, "push is running", "r-2")
        assert refusal.value.message == f"Another push is running (process {holder.pid}, run r-1)."
    holder.kill()
    holder.wait()
    with claim(path, "push is running", "r-2"):
        assert path.read_text("utf-8").endswith("run r-2")


def test_a_lock_is_given_back_and_holds_within_one_process_too(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "a.lock"
    with claim_beside(tmp_path, path, "pull", "r-1"), pytest.raises(WarehouseLockedError, match="run r-1"):
        claim_beside(tmp_path, path, "pull", "r-2")
    with claim_beside(tmp_path, path, "pull", "r-2"):
        pass


def test_a_folder_that_cannot_be_used_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(WarehouseError, match="LEARNSYNC_WAREHOUSE__PATH = /w: the folder cannot be used"):
        claim_beside(Path("/w"), tmp_path / "file" / "a.lock", "pull", "r-1")
