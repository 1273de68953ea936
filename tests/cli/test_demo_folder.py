"""The folder of a demo: only a new, empty or marked one is written to, and only a demo's own files are removed."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from connector.cli import demo_folder
from connector.errors import SettingsError

THEIRS = ("thesis.txt", "warehouse.duckdb", "landing/mine.json", ".hidden")


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}


def fill(folder: Path, *names: str) -> dict[str, str]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"this is {name}", "utf-8")
    return contents(folder)


@pytest.mark.parametrize("arguments", [["demo"], ["ui", "--sandbox", "--port", "38127"]], ids=["demo", "ui"])
def test_a_folder_of_somebodys_own_is_refused_and_stays_as_it_is(arguments: list[str], tmp_path: Path) -> None:
    before = fill(tmp_path / "own", *THEIRS)
    command = [sys.executable, "-m", "connector.cli", *arguments, "--folder", str(tmp_path / "own")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"learnsync: --folder {tmp_path / 'own'}: it is not empty")
    assert "Traceback" not in done.stderr
    assert contents(tmp_path / "own") == before


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
def test_a_new_or_empty_folder_is_taken_again_and_again(there: bool, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "demo"
    if there:
        folder.mkdir(parents=True)
    demo_folder.claim(folder)
    fill(folder, "warehouse.duckdb", "warehouse.duckdb.wal", "dagster/history/runs.db", "landing/x.json", "mine.txt")
    (tmp_path / "elsewhere").mkdir()
    kept = fill(tmp_path / "elsewhere", "page.json")
    (folder / "outbox").symlink_to(tmp_path / "elsewhere")
    demo_folder.claim(folder)
    demo_folder.clear(folder)
    assert {path.name for path in folder.iterdir()} == {demo_folder.MARK, "mine.txt"}
    assert contents(tmp_path / "elsewhere") == kept
    assert there or stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_of_a_demo_of_an_earlier_version_is_known_by_its_settings(tmp_path: Path) -> None:
    fill(tmp_path, "warehouse.duckdb")
    (tmp_path / demo_folder.CONFIG).write_text(f"{demo_folder.CONFIG_TITLE}[warehouse]\n", "utf-8")
    demo_folder.claim(tmp_path)
    demo_folder.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [demo_folder.MARK]


def test_a_folder_that_cannot_be_used_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SettingsError, match="it cannot be used"):
            demo_folder.claim(folder)
