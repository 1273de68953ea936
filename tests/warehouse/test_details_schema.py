"""The detail tables are what their models say, and the work list is written with the rows that make it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from support import COURSE, USER, Row, enrollment, land, query

from connector.settings import DETAIL_STREAM_NAMES as SETTING
from connector.streams import DETAIL_STREAMS
from connector.warehouse import load
from connector.warehouse.database import Connection, Stamp, Warehouse
from connector.warehouse.load import Batch, load_batch, load_together
from connector.warehouse.schema import source_columns, table_columns
from connector.warehouse.statements import statements

sql = statements("connector.warehouse")

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb")


def test_the_setting_offers_the_streams_that_have_a_model() -> None:
    assert set(SETTING) == set(DETAIL_STREAMS)


def test_the_migration_makes_the_columns_that_the_models_declare(warehouse: Warehouse) -> None:
    spelled = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    for stream, model in DETAIL_STREAMS.items():
        described = query(
            warehouse,
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_schema = 'absorb' AND table_name = ?",
            [stream],
        )
        assert {name: spelled.get(kind, kind) for name, kind, _ in described} == table_columns(model), stream
        required = {column.name for column in source_columns(model) if column.required}
        mandatory = {name for name, _, nullable in described if nullable == "NO"}
        assert mandatory == required | {"tenant_id", "_loaded_at", "_run_id"}, stream


def put(warehouse: Warehouse, *rows: Row, note_due: bool = True, now: datetime = NOON) -> None:
    folder = warehouse.path.parent / "pages"
    batch = Batch("enrollments", files=land(folder, "enrollments", [rows]))
    load_batch(warehouse, batch, Stamp("default", "r", now), note_due=note_due)


def due(warehouse: Warehouse) -> list[tuple[str, datetime]]:
    return query(warehouse, "SELECT CAST(enrollment_id AS VARCHAR), noted_at FROM ops.details_due ORDER BY ALL")


def test_new_and_changed_enrollments_become_due_and_no_others(warehouse: Warehouse) -> None:
    first, second = (enrollment(id=f"e0000000-0000-4000-8000-00000000000{n}") for n in (1, 2))
    put(warehouse, first, second)
    assert due(warehouse) == [(first["id"], NOON), (second["id"], NOON)]
    pairs = query(warehouse, "SELECT DISTINCT user_id::VARCHAR, course_id::VARCHAR FROM ops.details_due")
    assert pairs == [(USER, COURSE)]
    put(warehouse, first, second | {"progress": 40.0, "dateEdited": "2026-02-01T10:00:00"}, now=LATER)
    assert due(warehouse) == [(first["id"], NOON), (second["id"], LATER)]


def test_nothing_is_due_while_details_are_off(warehouse: Warehouse) -> None:
    put(warehouse, enrollment(), note_due=False)
    assert due(warehouse) == []


def test_what_is_due_falls_with_the_rows_that_made_it(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(name: str, **parts: str) -> str:
        return "SELECT error('cut' || $tenant_id || $noted_at)" if name == "details_due_note" else sql(name, **parts)

    monkeypatch.setattr(load, "sql", cut)
    with pytest.raises(Exception, match="cut"):
        put(warehouse, enrollment())
    assert query(warehouse, "FROM absorb.enrollments") == []
    assert due(warehouse) == []


def test_several_streams_commit_together_or_not_at_all(warehouse: Warehouse) -> None:
    rows = [enrollment()]

    def fail(_: Connection) -> None:
        raise RuntimeError("settling failed")

    batch = Batch("enrollments", files=land(warehouse.path.parent / "pages", "enrollments", [rows]))
    with pytest.raises(RuntimeError, match="settling failed"):
        load_together(warehouse, [batch], fail, Stamp("default", "r", NOON))
    assert query(warehouse, "FROM absorb.enrollments") == []
    counts = load_together(warehouse, [batch], lambda _: None, Stamp("default", "r", NOON))
    assert counts["enrollments"].inserted == 1
