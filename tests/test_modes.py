"""What a sync writes is for its owner alone, whatever the umask, and what an earlier version left open is closed."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connector import files
from connector.absorb.pull.options import PullOptions
from connector.cli.commands import doctor
from connector.errors import WarehouseError
from connector.push.engine import push_lock
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.sync import run_publish, run_pull, run_sync
from connector.warehouse import publish, published
from connector.warehouse.database import Warehouse
from connector.warehouse.exposed import exposed

pytestmark = pytest.mark.lets_go

Modes = dict[str, int]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def modes_below(folder: Path) -> Modes:
    return {str(path): mode_of(path) for path in (folder, *folder.rglob("*"))}


def open_to_others(modes: Modes) -> dict[str, str]:
    return {name: oct(mode) for name, mode in modes.items() if mode & files.OTHERS}


@pytest.fixture
def careless() -> Iterator[None]:
    """A umask that takes nothing away."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=100, courses=3, rate_limit=0, salesforce="agreeing")) as running:
        yield running


@pytest.fixture
def places(sandbox: Sandbox, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The writer's folder is not there yet; the published file goes to one that somebody made."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o755)
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "own" / "w" / "warehouse.duckdb"))
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", str(tmp_path / "shared" / "learning.duckdb"))
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__KEEP_LANDING", "true")
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__BULK_THRESHOLD", "50")
    return load_settings()


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Modes:
    """The modes of what a run removes, or puts in its place, before it ends."""
    found: Modes = {}
    rmtree, unlink, set_readers = shutil.rmtree, Path.unlink, publish._set_readers

    def removing(folder: Path, *rest: Any, **named: Any) -> None:
        found.update(modes_below(Path(folder)))
        rmtree(folder, *rest, **named)

    def unlinking(path: Path, **named: Any) -> None:
        if path.exists():
            found[str(path)] = mode_of(path)
        unlink(path, **named)

    def noting(draft: Path, *rest: Any) -> None:
        found[str(draft)] = mode_of(draft)
        set_readers(draft, *rest)

    monkeypatch.setattr(shutil, "rmtree", removing)
    monkeypatch.setattr(Path, "unlink", unlinking)
    monkeypatch.setattr(publish, "_set_readers", noting)
    return found


def test_what_a_sync_writes_is_for_its_owner_alone(
    places: Settings, careless: None, passing: Modes, tmp_path: Path
) -> None:
    assert run_sync(places).complete
    with Warehouse.of(places).connect() as connection:
        connection.execute("CREATE TABLE main.noted AS SELECT 1 AS one")
        written = modes_below(tmp_path / "own")
    assert any(name.endswith("warehouse.duckdb.wal") for name in written)
    assert sum("/landing/" in name and name.endswith(".json") for name in written) >= 5
    assert any("absorb-session" in name for name in written)
    assert any("/outbox/" in name and name.endswith(".csv") for name in passing)
    assert any(name.endswith(".draft") for name in passing)
    assert open_to_others(written | passing) == {}
    assert {oct(mode) for mode in written.values()} == {"0o600", "0o700"}
    # Analysts reach the published file, and its folder is as somebody made it.
    assert (mode_of(tmp_path / "shared"), mode_of(places.warehouse.publish_path)) == (0o755, 0o640)
    assert exposed(places) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_another_account_opens_nothing_but_the_published_file_and_puts_nothing_there(
    places: Settings, careless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_MODE", "0644")
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="learnsync-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # somebody made it, and others may look into it
        monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(folder / "warehouse.duckdb"))
        monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", str(folder / "published" / "learning.duckdb"))
        settings = load_settings()
        run_pull(settings, PullOptions(streams=["users"]))
        published = run_publish(settings).path

        def found(what: str) -> set[str]:
            looked = ["find", name, *what.split()]
            done = subprocess.run(looked, user=65534, group=65534, extra_groups=[], capture_output=True, check=False)
            return set(done.stdout.decode().split())

        with Warehouse.of(settings).connect() as connection:
            connection.execute("CREATE TABLE main.noted AS SELECT 1 AS one")
            assert {str(folder / "warehouse.duckdb"), str(folder / "warehouse.duckdb.wal")} <= found("-type f")
            assert found("-type f -readable") == {str(published)}
            assert found("-writable") == set()


def test_what_an_earlier_version_left_open_is_told_by_doctor_and_closed_by_the_next_run(
    places: Settings, careless: None, tmp_path: Path, new_warehouse: Path
) -> None:
    own, place = tmp_path / "own" / "w", places.warehouse
    for folder in (place.landing / "kept" / "users", place.outbox / "left"):
        folder.mkdir(parents=True)
        (folder / "page.json").touch()
    shutil.copy(new_warehouse, place.path)
    for path in own.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o644)
    own.chmod(0o775)
    Path(".env").touch()
    found = [one for one in doctor.examine() if one.check == "files"]
    assert {one.verdict for one in found} == {"warn"}
    told = "\n".join(one.text for one in found)
    for name in (f"{place.path} (mode 0644)", f"{place.landing} (mode 0777)", f"{place.outbox} (", ".env (mode 0666)"):
        assert f"other users of this machine can open {name}" in told
    assert f"can put files into {own}" in told
    assert [one.remedy.split()[0] for one in found] == ["chmod"] * 5

    run_pull(places, PullOptions(streams=["departments"]))
    with push_lock(places, "run"):
        assert open_to_others(modes_below(own)) == {str(own): "0o775"}  # a folder may be shared on purpose
    own.chmod(0o700)
    Path(".env").chmod(0o600)
    assert exposed(places) == {}


@pytest.mark.parametrize(("mode", "folder"), [("0600", 0o700), ("0644", 0o755)])
def test_the_setting_says_who_may_read_the_published_file(
    mode: str, folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, careless: None, new_warehouse: Path
) -> None:
    shutil.copy(new_warehouse, tmp_path / "warehouse.duckdb")
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_MODE", mode)
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", str(tmp_path / "analysts" / "learning.duckdb"))
    target = run_publish(load_settings()).path
    assert (mode_of(target), mode_of(target.parent)) == (int(mode, 8), folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to a group that it is not in")
def test_the_published_file_stays_its_groups(tmp_path: Path, new_warehouse: Path) -> None:
    target, draft = tmp_path / "learning.duckdb", tmp_path / "draft"
    for path in (target, draft):
        path.touch()
    os.chown(target, -1, 4711)
    publish._set_readers(draft, target, 0o640)
    assert (draft.stat().st_gid, mode_of(draft)) == (4711, 0o640)


# -- what is not ours -------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_warehouse: Path) -> Settings:
    """A warehouse without rows, and where it is published."""
    shutil.copy(new_warehouse, tmp_path / "warehouse.duckdb")
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", str(tmp_path / "learning.duckdb"))
    return load_settings()


def foreign_database(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE sales AS SELECT 1 AS euro")


@pytest.mark.parametrize("kind", ["text", "database", "warehouse"])
def test_a_file_that_was_not_published_is_not_replaced(kind: str, pair: Settings, new_warehouse: Path) -> None:
    target = pair.warehouse.publish_path
    if kind == "text":
        target.write_text("a thesis", "utf-8")
    elif kind == "database":
        foreign_database(target)
    else:
        shutil.copy(new_warehouse, target)
    before = target.read_bytes()
    with pytest.raises(WarehouseError, match=r"__PUBLISH_PATH = \S+: the file there was not published") as refusal:
        run_publish(pair)
    assert refusal.value.exit_code == 2
    assert target.read_bytes() == before
    target.unlink()
    target.touch()  # nothing is lost with an empty file
    run_publish(pair)
    run_publish(pair)


def test_a_whole_copy_of_an_earlier_version_is_replaced_where_this_warehouse_made_it(pair: Settings) -> None:
    target = pair.warehouse.publish_path
    run_publish(pair)
    target.unlink()
    with Warehouse.of(pair).connect() as connection:
        connection.execute(f"ATTACH '{target}' AS draft; COPY FROM DATABASE warehouse TO draft; DETACH draft")
    run_publish(pair)
    with duckdb.connect(str(target), read_only=True) as copy:
        assert copy.execute("SELECT version FROM ops.published").fetchone() is not None


def test_a_publish_that_fails_can_be_made_again_in_the_same_process(
    pair: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(published.decisions(), "absorb.users", {"no_such_column": "yes"})
        with pytest.raises(duckdb.BinderException):
            run_publish(pair)
    run_publish(pair)
    assert sorted(path.name for path in pair.warehouse.path.parent.glob(".*")) == []


def test_folders_of_somebodys_own_beside_the_warehouse_stay(settings: Settings) -> None:
    place, left = settings.warehouse, "20260105T101500-0a1b2c3d"
    for folder in (place.landing, place.outbox):
        for name in ("2026-01-05", "raw", left, f"{left}-sweep"):
            (folder / name).mkdir(parents=True)
            (folder / name / "mine.json").write_text("{}", "utf-8")
            os.utime(folder / name, (0, 0))
    run_pull(settings, PullOptions(streams=["departments"]))
    with push_lock(settings, "run"):
        pass
    for folder in (place.landing, place.outbox):
        assert {path.name for path in folder.iterdir() if path.is_dir()} == {"2026-01-05", "raw"}
        assert (folder / "raw" / "mine.json").read_text("utf-8") == "{}"


def refused(*_: object, **__: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_file_system_without_modes_is_used_and_a_file_of_another_account_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.json"
    page.write_text("mine", "utf-8")
    page.chmod(0o666)
    for name in ("chmod", "fchmod"):
        monkeypatch.setattr(os, name, refused)
    files.make_folder(tmp_path / "published", 0o755)
    files.write(page, "[]")
    assert page.read_text("utf-8") == "[]"
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(PermissionError, match="another account"):
        files.write(page, "secret")
    assert page.read_text("utf-8") == "[]"
