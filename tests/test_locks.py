"""Locks between processes: who holds one is named, and none outlives its process."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.absorb.pull.pull import account_lock
from connector.errors import WarehouseError, WarehouseLockedError
from connector.locks import claim, claim_beside
from connector.settings import load_settings

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


def test_a_lock_is_for_its_owner_alone_and_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("mine", "utf-8")
    (tmp_path / "link.lock").symlink_to(tmp_path / "diary")
    with pytest.raises(OSError, match="symbolic links"):
        claim(tmp_path / "link.lock", "pull", "r-1")
    assert (tmp_path / "diary").read_text("utf-8") == "mine"
    before = os.umask(0)
    (tmp_path / "old.lock").touch()
    try:
        for name in ("new.lock", "old.lock"):
            with claim(tmp_path / name, "pull", "r-1"):
                assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    finally:
        os.umask(before)


@pytest.fixture
def common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder that all accounts of a machine share; the one in it that is ours."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir(mode=0o777)
    return tmp_path / "tmp" / f"learnsync-{os.geteuid()}"


def test_the_lock_of_an_account_lies_in_a_folder_of_this_users_own(common: Path) -> None:
    for mode in (0o700, 0o777):  # of a folder that was there before
        with account_lock(load_settings(), "r-1"), pytest.raises(WarehouseLockedError, match="run r-1"):
            account_lock(load_settings(), "r-2")
        assert stat.S_IMODE(common.stat().st_mode) == 0o700
        common.chmod(mode)


@pytest.mark.parametrize("planted", ["link", "file", "of another account"])
def test_what_somebody_put_in_the_place_of_that_folder_is_refused(
    planted: str, common: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if planted == "link":
        (tmp_path / "theirs").mkdir()
        common.symlink_to(tmp_path / "theirs")
    elif planted == "file":
        common.touch()
    else:
        (common.parent / f"learnsync-{os.geteuid() + 1}").mkdir()
        other = os.geteuid() + 1
        monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(WarehouseError, match=r"tmp/learnsync-\d+/\w+\.lock cannot be opened .*TMPDIR"):
        account_lock(load_settings(), "r-1")
    assert not (tmp_path / "theirs").exists() or list((tmp_path / "theirs").iterdir()) == []
