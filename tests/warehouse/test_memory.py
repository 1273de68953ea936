"""What DuckDB may take of the machine: every connection has the limit and the folder that the settings say."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import query

from connector import machine
from connector.cli.commands import doctor
from connector.errors import ResourceError, SettingsError, WarehouseError
from connector.settings import load_settings, variable
from connector.warehouse.database import Warehouse
from connector.warehouse.memory import MEMORY_VARIABLE, TEMP_VARIABLE, Means, default_mb, machine_bytes

pytestmark = pytest.mark.lets_go

LIMITS = "SELECT current_setting('memory_limit'), current_setting('temp_directory')"
# Far more than 100 MB.
MUCH = "CREATE TEMP TABLE much AS SELECT repeat('x', 900) || range AS text FROM range(200000)"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "own" / "warehouse.duckdb"))
    return tmp_path


def found() -> tuple[str, str]:
    [[limit, folder]] = query(Warehouse.of(load_settings()), LIMITS)
    return limit, folder


def test_every_connection_has_the_limit_and_the_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [[limit]] = query(Warehouse.of(load_settings()), f"SELECT format_bytes({default_mb()} * 1000000)")
    assert found() == (limit, str(place / "own" / "warehouse.duckdb.tmp"))
    monkeypatch.setenv(MEMORY_VARIABLE, "200")
    monkeypatch.setenv(TEMP_VARIABLE, str(place / "spill"))
    given, folder = found()
    assert given == "190.7 MiB"
    assert Path(folder).parent == place / "spill"
    assert (place / "spill").stat().st_mode & 0o777 == 0o700
    [check] = [one for one in doctor.examine() if one.check == "memory"]
    assert f"at most 200 MB ({MEMORY_VARIABLE})" in check.text
    assert folder in check.text


def test_what_does_not_fit_goes_to_the_folder_closed_to_others(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "100")
    monkeypatch.setenv(TEMP_VARIABLE, str(place / "spill"))
    with Warehouse.of(load_settings()).connect() as connection:
        connection.execute(MUCH)
        [own] = (place / "spill").iterdir()
        assert own.stat().st_mode & 0o777 == 0o700
        assert sum(file.stat().st_size for file in own.iterdir()) > 1_000_000
    assert not (place / "own" / "warehouse.duckdb.tmp").exists()


def test_two_warehouses_of_one_name_share_no_spill_file(place: Path) -> None:
    means = Means(100, place)
    assert means.spill(place / "a" / "w.duckdb") != means.spill(place / "b" / "w.duckdb")


@pytest.mark.parametrize("value", ["0", "99", "two", "-5", "2GB"])
def test_a_wrong_limit_is_one_message(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, value)
    with pytest.raises(SettingsError) as refusal:
        load_settings()
    assert MEMORY_VARIABLE in refusal.value.message
    assert "megabytes" in refusal.value.remedy


def test_a_folder_that_cannot_be_used_is_one_message(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "file").touch()
    monkeypatch.setenv(TEMP_VARIABLE, str(place / "file"))
    with pytest.raises(WarehouseError, match=TEMP_VARIABLE) as refusal:
        found()
    assert "unset the variable" in refusal.value.remedy


def test_too_little_memory_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "100")
    with (
        pytest.raises(ResourceError, match="WAREHOUSE__PATH") as refusal,
        Warehouse.of(load_settings()).connect() as connection,
    ):
        connection.execute("SELECT len(list(range)) FROM range(20000000)").fetchall()
    assert refusal.value.remedy == machine.NO_MEMORY
    assert variable("warehouse", "memory_limit_mb") in machine.NO_MEMORY


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"sys/fs/cgroup/memory.max": "400000000\n"}, 400_000_000),
        ({"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/memory.max": "300000000"}, 300_000_000),
        ({"proc/self/cgroup": "4:cpu,memory:/d\n", "sys/fs/cgroup/memory/d/memory.limit_in_bytes": "9000"}, 9000),
        ({"sys/fs/cgroup/memory.max": "max\n"}, None),
        ({"proc/self/cgroup": "0::/../..\n"}, None),
        ({}, None),
    ],
    ids=["v2", "v2, of the group around", "v1", "no limit", "out of the namespace", "not readable"],
)
def test_the_limit_of_a_container_counts_as_the_machine(
    place: Path, files: dict[str, str], expected: int | None
) -> None:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, "ascii")
    assert machine_bytes(place) == (expected or machine_bytes(place / "nothing"))
