"""How pages lie on their way, and when a group of them is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import Row, enrollment, query

from connector.absorb.pull import landing
from connector.absorb.pull.options import Limits, PullOptions
from connector.absorb.pull.pull import pull
from connector.errors import ProtocolError
from connector.sandbox.server import Sandbox
from connector.settings import Settings
from connector.times import utc_now
from connector.warehouse.database import Stamp, Warehouse
from connector.warehouse.landed import PageFiles
from connector.warehouse.load import Batch, LoadCounts, load_batch


def page(*rows: Row, text: str = "") -> bytes:
    return f'{{"totalItems": 1,\n "enrollments": {text or json.dumps(rows)}}}'.encode()


def landed(folder: Path, *pages: bytes) -> list[Path]:
    folder.mkdir()
    writer = PageFiles(folder, apart=False)
    found = [path for number, body in enumerate(pages, 1) for path in writer.add(number, body)]
    writer.end()
    return found


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb")


def load(warehouse: Warehouse, files: list[Path], rows: int) -> LoadCounts:
    return load_batch(warehouse, Batch("enrollments", files, rows, largest=1000), Stamp("default", "run", utc_now()))


def test_pages_of_one_file_are_read_as_they_came_and_in_their_order(warehouse: Warehouse, tmp_path: Path) -> None:
    row, other = enrollment(progress=0.0), enrollment(status="bad", fullName='A "quoted" {name}\n')
    pages = [page(row | {"progress": float(number)}) for number in range(12)]
    files = landed(tmp_path / "pages", *pages, page(), page(other))
    assert [path.name for path in files] == ["0000000001.json"]
    counts = load(warehouse, files, 13)
    assert (counts.inserted, counts.quarantined) == (1, 1)
    assert query(warehouse, "SELECT progress FROM absorb.enrollments") == [(11.0,)]
    [(raw,)] = query(warehouse, "SELECT raw FROM ops.quarantine")
    assert json.loads(raw) == other


@pytest.mark.parametrize("text", ['[], "enrollm\\u0065nts": [1]', "[1, 2]", '"x"', "[", "null"])
def test_a_page_that_two_readers_read_differently_keeps_its_file_out(
    warehouse: Warehouse, tmp_path: Path, text: str
) -> None:
    files = landed(tmp_path / "pages", page(enrollment()), page(text=text))
    with pytest.raises(ProtocolError, match="enrollments cannot be loaded"):
        load(warehouse, files, 2)
    assert query(warehouse, "SELECT count(*) FROM absorb.enrollments") == [(0,)]


def test_a_file_that_is_large_enough_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.warehouse.landed.FILE_BYTES", 100)
    files = landed(tmp_path / "pages", *[page(enrollment()) for _ in range(3)])
    assert [path.name for path in files] == ["0000000001.json", "0000000002.json", "0000000003.json"]


def test_a_pull_of_many_lists_makes_few_files_and_loads_them_together(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[Batch] = []
    really = landing.load_batch

    def counted(warehouse: Warehouse, batch: Batch, *rest: Stamp, **named: bool) -> LoadCounts:
        loads.append(batch)
        return really(warehouse, batch, *rest, **named)

    monkeypatch.setattr(landing, "load_batch", counted)
    assert pull(settings, "first", PullOptions(limits=Limits(group_seconds=60.0, longest_seconds=60.0))).complete
    [batch] = [batch for batch in loads if batch.stream == "enrollments"]
    assert (batch.rows, len(batch.files), len(batch.watermarks)) == (600, 1, 8)
    loads.clear()
    assert pull(settings, "small", PullOptions(full=True, limits=Limits(group_rows=100))).complete
    sizes = [batch.rows for batch in loads if batch.stream == "enrollments"]
    assert len(sizes) > 3
    assert sum(sizes) == 600


@pytest.mark.parametrize(("took", "patience"), [(0.0, 2.0), (0.4, 2.0), (1.0, 4.0), (60.0, 8.0)])
def test_groups_become_older_where_loading_takes_long(took: float, patience: float) -> None:
    assert Limits().patience(took) == patience


def test_a_pull_whose_rows_all_stand_writes_no_row(sandbox: Sandbox, settings: Settings) -> None:
    pull(settings, "first")
    tables = ("absorb.users", "absorb.courses", "absorb.enrollments", "ops.quarantine", "ops.resume", "ops.drift")
    before = [query(Warehouse.of(settings), f"SELECT rowid, * FROM {table} ORDER BY ALL") for table in tables]
    report = pull(settings, "second")
    assert report.streams["enrollments"].counts.read >= 8
    after = [query(Warehouse.of(settings), f"SELECT rowid, * FROM {table} ORDER BY ALL") for table in tables]
    assert after == before


def test_a_page_that_cannot_be_written_claims_nothing_of_its_group(
    sandbox: Sandbox, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(settings, "courses", PullOptions(["courses"]))
    really, written = PageFiles.add, []

    def full(self: PageFiles, number: int, body: bytes) -> list[Path]:
        written.append(number)
        if len(written) != 3:
            return really(self, number, body)
        really(self, number, body[: len(body) // 2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(PageFiles, "add", full)
        with pytest.raises(OSError, match="No space left"):
            pull(settings, "full", PullOptions(["enrollments"]))
    assert query(Warehouse.of(settings), "SELECT count(*) FROM ops.watermarks WHERE stream = 'enrollments'") == [(0,)]
    assert pull(settings, "again", PullOptions(["enrollments"])).complete
    assert query(Warehouse.of(settings), "SELECT count(*) FROM absorb.enrollments") == [(600,)]
