"""Loading landed pages: what fits is stored as read, what does not is quarantined whole, and it all commits at once."""

# ruff: noqa: E501 - tables read best with one row per line
from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support import Row, enrollment, land, load, new_id, query, records

from connector.errors import ProtocolError
from connector.streams import STREAMS
from connector.streams.rows import AbsorbRow
from connector.times import utc_now
from connector.warehouse.database import Stamp, Warehouse
from connector.warehouse.load import Batch, load_batch
from connector.warehouse.quarantine import pending_quarantine, unreadable
from connector.warehouse.schema import source_columns, table_columns
from connector.warehouse.watermarks import Watermark, read_watermarks

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
DAY_AND_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:T([\d:.]+)(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_tenants = itertools.count(1)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """One file for what only compares rows: each load works on a tenant of its own."""
    return Warehouse(tmp_path_factory.mktemp("load") / "warehouse.duckdb")


# -- the schema ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", STREAMS)
def test_the_migrations_make_the_columns_that_the_model_declares(shared: Warehouse, stream: str) -> None:
    described = query(
        shared,
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'absorb' AND table_name = ?",
        [stream],
    )
    spelled = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    assert {name: spelled.get(kind, kind) for name, kind in described} == table_columns(STREAMS[stream])


@pytest.mark.parametrize("stream", STREAMS)
def test_required_fields_are_not_null_in_the_warehouse(shared: Warehouse, stream: str) -> None:
    mandatory = query(
        shared,
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'absorb' AND table_name = ? AND is_nullable = 'NO'",
        [stream],
    )
    required = {column.name for column in source_columns(STREAMS[stream]) if column.required}
    assert {name for (name,) in mandatory} == required | {"tenant_id", "_loaded_at", "_run_id"}


# -- two judges, one verdict -----------------------------------------------------------------------------


def parsed(model: type[AbsorbRow], row: Any) -> AbsorbRow | None:
    """pydantic's verdict."""
    try:
        return model.model_validate(row)
    except ValidationError:
        return None


def stored(warehouse: Warehouse, rows: list[Any] | str, stream: str = "enrollments") -> dict[str, Row]:
    """DuckDB's verdict: the rows it took, by id."""
    tenant_id = f"t{next(_tenants)}"
    load(warehouse, rows, stream=stream, tenant_id=tenant_id)
    found = records(warehouse, f"FROM absorb.{stream} WHERE tenant_id = ?", [tenant_id])
    return {str(row["id"]): row for row in found}


def plain(value: Any) -> Any:
    return str(value) if value is not None and type(value).__name__ == "UUID" else value


def calendar_day(text: str | None) -> date | None:
    """The day that a date-time names when its own time of day is 00:00:00, else None; before 1900 there are none."""
    found = DAY_AND_TIME.fullmatch(text or "")
    return (
        date.fromisoformat(found[1])
        if found and not set(found[2] or "") & set("123456789") and found[1] >= "1900"
        else None
    )


def assert_same_reading(stream: str, row: Row, taken: Row | None) -> None:
    """Both judges take the row or both refuse it, and they read the same values in it."""
    expected = parsed(STREAMS[stream], row)
    assert (taken is not None) == (expected is not None), row
    if taken is None or expected is None:
        return
    for column in source_columns(STREAMS[stream]):
        if column.sql_type != "JSON" and not isinstance(row.get(column.keys[0]), dict | list):
            assert plain(taken[column.name]) == getattr(expected, column.name), (column.name, row)
    if stream == "enrollments":
        assert taken["_due_day"] == calendar_day(row.get("dateDue")), row


odd_instants = st.builds(
    "{:04d}-{:02d}-{:02d}{}".format,
    st.sampled_from([1970, 2024, 2026, 1900, 1899, 1, 2300]),
    st.integers(0, 13),
    st.integers(0, 32),
    st.just("")
    | st.builds(
        "{}{:02d}:{:02d}:{:02d}{}{}".format,
        st.sampled_from(["T", "T", "T", " ", "t"]),
        st.integers(0, 24) | st.just(0),
        st.integers(0, 60) | st.just(0),
        st.integers(0, 60) | st.just(0),
        st.just("")
        | st.integers(0, 10)
        .flatmap(lambda size: st.text("0123456789", min_size=size, max_size=size))
        .map(".{}".format),
        st.sampled_from(
            ["", "", "Z", "z", "+00:00", "-08:00", "+05:30", "+0530", "+14:59", "+15:00", "-00:00", " Z", "+5:30"]
        ),
    ),
)
instants = odd_instants | st.datetimes(datetime(1900, 1, 1), datetime(2300, 1, 1)).map(datetime.isoformat)  # noqa: DTZ001 - hypothesis wants naive bounds
guids = st.uuids().map(str) | st.uuids().map(lambda guid: str(guid).upper())
odd_guids = st.sampled_from(
    ["", "not-a-guid", f"{{{GUID}}}", GUID.replace("-", ""), f" {GUID}", GUID[:-1], f"{GUID}0", f"urn:uuid:{GUID}", 7]
)
numbers = (
    st.integers(-(10**17), 10**17)
    | st.floats(-1e15, 1e15)
    | st.sampled_from([0, -0.0, 3.0, 3.7, 0.1, 1e-7, 1e21, 100.0])
)
as_text = numbers.map(str) | st.sampled_from(["3", "3.0", "3.7", "1e2", "1E2", "+3", " 3", "3 ", "", "0x1F", "1_000", "½", "NaN", "Infinity", "-", "1,5", "3.", ".5", "٣"])  # fmt: skip
flags = st.booleans() | st.sampled_from(["true", "false", "True", "TRUE", "yes", 0, 1, "1", ""])
texts = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ['O\'Brien "quoted"', "a\u0000b", "null", "🙂", "\\u0041"]
)
nested = st.sampled_from([{}, [], {"a": 1}, [None], {"id": GUID}, [[1]]])
anything = st.none() | instants | guids | odd_guids | numbers | as_text | flags | texts | nested

OF_TYPE = {
    "UUID": guids | odd_guids,
    "TIMESTAMPTZ": instants | st.sampled_from(["yesterday", "", "0", 0, 20260101, 1767225600.5]),
    "DOUBLE": numbers | as_text,
    "BIGINT": numbers | as_text,
    "BOOLEAN": flags,
    "VARCHAR": texts | st.integers(-(10**17), 10**17) | st.booleans(),
    "JSON": nested | texts | st.integers(0, 9),
}


def good_row(stream: str) -> Row:
    return enrollment() if stream == "enrollments" else {"id": new_id()}


@st.composite
def rows_of(draw: st.DrawFn, stream: str) -> Row:
    """A good row of which a few fields are something else: of the right type, of any type, null, or left out."""
    row = good_row(stream) | {"id": str(draw(st.uuids()))}
    columns = [column for column in source_columns(STREAMS[stream]) if column.name != "id"]
    for column in draw(st.lists(st.sampled_from(columns), max_size=4)):
        key = column.keys[0]
        if draw(st.integers(0, 9)) == 0:
            row.pop(key, None)
        else:
            row[key] = draw(OF_TYPE[column.sql_type] | OF_TYPE[column.sql_type] | anything)
    return row


@pytest.mark.parametrize("stream", STREAMS)
@given(data=st.data())
@hypothesis_settings(max_examples=6, phases=[Phase.explicit, Phase.generate])
def test_duckdb_and_pydantic_judge_alike(shared: Warehouse, stream: str, data: st.DataObject) -> None:
    rows = data.draw(st.lists(rows_of(stream), min_size=20, max_size=60, unique_by=lambda row: row["id"]))
    found = stored(shared, rows, stream)
    for row in rows:
        assert_same_reading(stream, row, found.get(row["id"]))


# (field, value, does it fit)
CASES = [
    ("status", 3, True), ("status", 3.0, True), ("status", "3", True), ("status", "3.0", True), ("status", 3.7, False),
    ("status", "3.7", False), ("status", "three", False), ("status", True, False), ("status", None, False), ("status", [3], False),
    ("status", "", False), ("status", 99, True), ("status", -1, True), ("status", "3 ", False), ("status", 10**18, False),
    ("progress", "12.5", True), ("progress", 1e-7, True), ("progress", "1e2", True), ("progress", None, True), ("progress", "a lot", False),
    ("progress", "NaN", False), ("progress", "Infinity", False), ("progress", False, False), ("progress", {"of": 100}, False),
    ("score", "1e400", False), ("score", 10**25, False), ("score", "1e-400", True),
    ("isActive", True, True), ("isActive", "true", True), ("isActive", "True", False), ("isActive", 1, False), ("isActive", None, False),
    ("userId", GUID.upper(), True), ("userId", f"{{{GUID}}}", False), ("userId", GUID.replace("-", ""), False), ("userId", None, False),
    ("userId", "not-a-guid", False), ("userId", f"{GUID}\n", False), ("certificateId", None, True), ("certificateId", "", False),
    ("dateAdded", "2026-02-28", True), ("dateAdded", "2026-02-29", False), ("dateAdded", "2024-02-29T00:00:00", True), ("dateAdded", None, False),
    ("dateAdded", "2026-13-45T99:00:00", False), ("dateAdded", "2026-01-01T00:00:00.1234567", True), ("dateAdded", "2026-01-01T00:00:00.123456789Z", True),
    ("dateAdded", "2026-01-01T00:00:00.1234567890", False), ("dateAdded", "2026-01-01T00:00:00+0530", True), ("dateAdded", "2026-01-01T00:00:00-08:00", True),
    ("dateAdded", "2026-01-01T00:00:00.9999999-08:00", True), ("dateAdded", "2026-01-01T24:00:00", False), ("dateAdded", "2026-01-01T23:59:60", False),
    ("dateAdded", "2026-01-01 10:00:00", False), ("dateAdded", "01/02/2026", False), ("dateAdded", 1767225600, False),
    ("dateAdded", "2026-01-01T00:00:00\n", False), ("dateDue", "0001-01-01T00:00:00", True), ("dateDue", "9999-12-31T23:59:59.9999999", True),
    ("dateDue", "0001-01-01T00:00:00+02:00", True), ("dateDue", "1899-12-31T23:59:59-05:00", True), ("dateDue", "1900-01-01T00:00:00", True),
    ("dateDue", "0001-13-01T00:00:00", False), ("dateDue", "0001-01-01T25:00:00", False), ("dateAdded", "0001-01-01T00:00:00", False),
    ("dateDue", "0000-01-01T00:00:00", False), ("dateDue", "yesterday", False), ("dateDue", "", False),
    ("fullName", 7, True), ("fullName", True, True), ("fullName", None, True), ("fullName", "a\u0000b", True), ("timeSpent", "1.02:03:04.0000005", True),
]  # fmt: skip


@pytest.fixture(scope="module")
def judged(shared: Warehouse) -> list[tuple[Row, Row | None]]:
    """Each case as a row, and what the warehouse holds of it; loaded as one page."""
    rows = [enrollment(**{field: value}) for field, value, _ in CASES]
    found = stored(shared, rows)
    return [(row, found.get(row["id"])) for row in rows]


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{field}={value!r}" for field, value, _ in CASES])
def test_verdict(judged: list[tuple[Row, Row | None]], number: int) -> None:
    row, taken = judged[number]
    fits = CASES[number][2]
    assert (parsed(STREAMS["enrollments"], row) is not None, taken is not None) == (fits, fits)
    assert_same_reading("enrollments", row, taken)


@pytest.mark.parametrize("field", ["dateStarted", "dateCompleted", "dateExpires", "dateDue", "accessDate"])
def test_a_date_before_1900_stands_for_none(shared: Warehouse, field: str) -> None:
    rows = [enrollment(**{field: text}) for text in ("0001-01-01T00:00:00", "1899-12-31T23:59:59.9999999Z")]
    found = stored(shared, rows)
    column = next(it.name for it in source_columns(STREAMS["enrollments"]) if it.keys[0] == field)
    assert [found[row["id"]][column] for row in rows] == [None, None]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-01:00"])
def test_an_instant_outside_the_calendar_is_a_verdict_and_no_crash(shared: Warehouse, text: str) -> None:
    rows = [enrollment(dateExpires=text, status="bad"), enrollment()]
    assert set(stored(shared, rows)) == {rows[1]["id"]}


@pytest.mark.parametrize("field", ["id", "courseId", "userId", "status", "isActive", "dateAdded", "dateEdited"])
def test_a_row_without_a_required_field_does_not_fit(shared: Warehouse, field: str) -> None:
    row = enrollment()
    del row[field]
    assert stored(shared, [row]) == {}
    assert parsed(STREAMS["enrollments"], row) is None


@pytest.mark.parametrize("raw", ["null", "7", '"row"', "[]", "[1, 2]", "true", "{}"])
def test_something_that_is_no_row_spoils_nothing_else(shared: Warehouse, raw: str) -> None:
    good = [enrollment(), enrollment()]
    page = f"[{json.dumps(good[0])}, {raw}, {json.dumps(good[1])}]"
    tenant_id = f"t{next(_tenants)}"
    counts = load(shared, page, tenant_id=tenant_id)
    assert (counts.read, counts.inserted, counts.quarantined) == (3, 2, 1)
    ((kept, reason),) = query(shared, "SELECT raw, reason FROM ops.quarantine WHERE tenant_id = ?", [tenant_id])
    assert json.loads(kept) == json.loads(raw)
    assert reason


def test_the_title_may_come_under_its_other_name(shared: Warehouse) -> None:
    row = enrollment(name="First Aid 2")
    del row["courseName"]
    assert stored(shared, [row])[row["id"]]["course_name"] == "First Aid 2"


def test_fields_that_nobody_knows_are_ignored(shared: Warehouse) -> None:
    row = enrollment()
    assert set(stored(shared, [row | {"brandNew": {"deep": [1]}}])) == {row["id"]}


def test_nested_values_are_kept_as_json(shared: Warehouse) -> None:
    row = {"id": new_id(), "roleIds": [1, 2], "customFields": {"decimal1": 1.5, "string1": "é"}}
    found = stored(shared, [row], "users")[row["id"]]
    assert (json.loads(found["role_ids"]), json.loads(found["custom_fields"])) == (row["roleIds"], row["customFields"])


# -- quarantine ------------------------------------------------------------------------------------------


def quarantined(warehouse: Warehouse, tenant_id: str = "default") -> list[Row]:
    return records(warehouse, "FROM ops.quarantine WHERE tenant_id = ? ORDER BY source_id", [tenant_id])


def pending(warehouse: Warehouse) -> int:
    with warehouse.connect() as connection:
        return pending_quarantine(connection, "default")


def test_a_bad_row_is_kept_whole_with_field_and_reason(warehouse: Warehouse) -> None:
    bad = enrollment(status="three", fullName="Zoë", progress=12.50) | {"unknown": [1, {"deep": None}]}
    good = enrollment()
    counts = load(warehouse, [bad, good], run_id="r1")
    assert (counts.read, counts.inserted, counts.quarantined, counts.unchanged) == (2, 1, 1, 0)
    (reject,) = quarantined(warehouse)
    assert json.loads(reject["raw"]) == bad
    assert (reject["source_id"], reject["stream"], reject["stage"]) == (bad["id"], "enrollments", "load")
    assert (reject["field"], reject["attempts"], reject["resolved_at"], reject["run_id"]) == ("status", 1, None, "r1")
    assert "status" in reject["reason"]
    assert "whole number" in reject["reason"]


def test_every_field_at_fault_is_named(warehouse: Warehouse) -> None:
    load(warehouse, [enrollment(userId="nobody", dateAdded="yesterday")])
    (reject,) = quarantined(warehouse)
    assert "userId" in reject["reason"]
    assert "dateAdded" in reject["reason"]


def test_attempts_are_counted_and_a_good_row_settles_them(warehouse: Warehouse) -> None:
    row = enrollment(id=new_id().upper())
    for attempt in (1, 2, 3):
        load(warehouse, [row | {"progress": f"bad {attempt}"}])
        (reject,) = quarantined(warehouse)
        assert (reject["attempts"], reject["resolved_at"]) == (attempt, None)
    assert json.loads(reject["raw"])["progress"] == "bad 3"
    assert reject["first_seen"] < reject["last_seen"]
    assert pending(warehouse) == 1
    load(warehouse, [row])
    (reject,) = quarantined(warehouse)
    assert reject["resolved_at"] is not None
    assert pending(warehouse) == 0
    load(warehouse, [row | {"progress": "bad again"}])
    assert pending(warehouse) == 1


def test_a_good_row_of_another_id_or_tenant_settles_nothing(warehouse: Warehouse) -> None:
    bad = enrollment(status=None)
    load(warehouse, [bad])
    load(warehouse, [enrollment()])
    load(warehouse, [bad | {"status": 1}], tenant_id="other")
    assert pending(warehouse) == 1


def test_a_bad_later_version_of_a_row_stays_pending(warehouse: Warehouse) -> None:
    """The good earlier version in the same batch must not settle what came after it."""
    row = enrollment(progress=10)
    load(warehouse, [row], [row | {"progress": "broken"}])
    assert query(warehouse, "SELECT progress FROM absorb.enrollments") == [(10.0,)]
    assert pending(warehouse) == 1


def test_a_good_later_version_of_a_row_settles_the_bad_one(warehouse: Warehouse) -> None:
    row = enrollment(progress=10)
    load(warehouse, [row | {"progress": "broken"}], [row])
    assert query(warehouse, "SELECT progress FROM absorb.enrollments") == [(10.0,)]
    assert pending(warehouse) == 0


@pytest.mark.parametrize(
    "page",
    ['{"enrollments": [], "enrollm\\u0065nts": [1]}', '{"enrollments": [1, 2]}', '{"enrollments": "x"}', "no page"],
)
def test_a_page_that_two_readers_read_differently_is_not_loaded(warehouse: Warehouse, page: str) -> None:
    [file] = land(warehouse.path.parent / "pages", "enrollments", [[]])
    file.write_text(page, "utf-8")
    with pytest.raises(ProtocolError, match=r"enrollments cannot be loaded.*LEARNSYNC_WAREHOUSE__KEEP_LANDING"):
        load_batch(warehouse, Batch("enrollments", [file], 1), Stamp("default", "run", utc_now()))
    assert query(warehouse, "SELECT count(*) FROM ops.quarantine") == [(0,)]


def test_rows_without_an_id_are_told_apart_by_their_content(warehouse: Warehouse) -> None:
    first, second = enrollment(progress=1), enrollment(progress=2)
    del first["id"], second["id"]
    load(warehouse, [first, second])
    load(warehouse, [first])
    assert sorted(reject["attempts"] for reject in quarantined(warehouse)) == [1, 2]


# -- merging ---------------------------------------------------------------------------------------------


def test_the_latest_page_of_a_batch_wins(warehouse: Warehouse) -> None:
    row = enrollment()
    pages = [[row | {"progress": float(number)}] for number in range(12)]
    counts = load(warehouse, *pages)
    assert (counts.read, counts.inserted, counts.updated, counts.unchanged) == (12, 1, 0, 11)
    assert query(warehouse, "SELECT progress FROM absorb.enrollments") == [(11.0,)]


def test_within_a_page_the_later_row_wins(warehouse: Warehouse) -> None:
    row = enrollment()
    load(
        warehouse, [row | {"progress": 1.0}, row | {"progress": 2.0}, row | {"id": row["id"].upper(), "progress": 3.0}]
    )
    assert query(warehouse, "SELECT progress FROM absorb.enrollments") == [(3.0,)]


def test_unchanged_rows_are_not_touched(warehouse: Warehouse) -> None:
    rows = [enrollment(progress=float(number)) for number in range(5)]
    load(warehouse, rows, run_id="first")
    before = records(warehouse, "FROM absorb.enrollments ORDER BY id")
    counts = load(warehouse, rows, run_id="second")
    assert (counts.read, counts.inserted, counts.updated, counts.unchanged) == (5, 0, 0, 5)
    assert records(warehouse, "FROM absorb.enrollments ORDER BY id") == before
    rows[2] = rows[2] | {"progress": 50.0}
    counts = load(warehouse, rows, run_id="third")
    assert (counts.inserted, counts.updated) == (0, 1)
    moved = query(warehouse, "SELECT CAST(id AS VARCHAR), _run_id FROM absorb.enrollments WHERE _run_id <> 'first'")
    assert moved == [(rows[2]["id"], "third")]


@pytest.mark.parametrize(
    ("changes", "column", "expected"),
    [
        ({"progress": None}, "progress", None),
        ({"dateDue": "2026-05-01T00:00:00"}, "_due_day", date(2026, 5, 1)),
        ({"isActive": False}, "is_active", False),
    ],
)
def test_each_change_arrives_nulls_too(warehouse: Warehouse, changes: Row, column: str, expected: object) -> None:
    row = enrollment(progress=5.0, dateDue="2026-05-01T00:00:01")
    load(warehouse, [row])
    assert load(warehouse, [row | changes]).updated == 1
    assert query(warehouse, f"SELECT {column} FROM absorb.enrollments") == [(expected,)]


def test_a_due_date_that_turns_from_instant_to_day_is_a_change(warehouse: Warehouse) -> None:
    """Both read as the same instant; only the source's spelling tells them apart."""
    row = enrollment(dateDue="2026-05-01T02:00:00+02:00")
    load(warehouse, [row])
    assert load(warehouse, [row | {"dateDue": "2026-05-01T00:00:00"}]).updated == 1


def test_a_row_that_returns_is_no_longer_removed(warehouse: Warehouse) -> None:
    row = enrollment()
    load(warehouse, [row])
    query(warehouse, "UPDATE absorb.enrollments SET _removed_at = now()")
    assert load(warehouse, [row]).updated == 1
    assert query(warehouse, "SELECT _removed_at FROM absorb.enrollments") == [(None,)]


def test_tenants_do_not_meet(warehouse: Warehouse) -> None:
    row = enrollment()
    load(warehouse, [row | {"progress": 1.0}], tenant_id="a")
    load(warehouse, [row | {"progress": 2.0}], tenant_id="b")
    assert query(warehouse, "SELECT tenant_id, progress FROM absorb.enrollments ORDER BY ALL") == [
        ("a", 1.0),
        ("b", 2.0),
    ]


def test_an_empty_page_is_no_failure(warehouse: Warehouse) -> None:
    assert load(warehouse, [], [enrollment()]).read == 1
    assert load(warehouse, []).read == 0


def test_a_page_larger_than_the_default_buffer_loads(warehouse: Warehouse) -> None:
    rows = [enrollment(fullName="x" * 40_000) for _ in range(500)]
    assert load(warehouse, rows).inserted == 500


# -- one transaction -------------------------------------------------------------------------------------


def mark(scope: str, moment: datetime | None, **changes: Any) -> Watermark:
    values = {"stream": "enrollments", "scope_id": scope, "watermark": moment, "rows": 1, "completed_at": utc_now()}
    return Watermark(**(values | changes))


def watermarks(warehouse: Warehouse) -> dict[str, datetime | None]:
    with warehouse.connect() as connection:
        return read_watermarks(connection, "default", "enrollments")


def test_rows_and_watermarks_fail_together(warehouse: Warehouse) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    held = enrollment(progress=1.0)
    load(warehouse, [held], watermarks=[mark("a", moment)])
    broken = [mark("a", moment + timedelta(days=1)), mark("b", moment, rows=None)]
    pages = [held | {"progress": 2.0}, enrollment(), enrollment(status="bad")]
    with pytest.raises(duckdb.ConstraintException):
        load(warehouse, pages, watermarks=broken)
    assert query(warehouse, "SELECT progress FROM absorb.enrollments") == [(1.0,)]
    assert watermarks(warehouse) == {"a": moment}
    assert quarantined(warehouse) == []


def test_an_unreadable_page_moves_no_watermark(warehouse: Warehouse, tmp_path: Path) -> None:
    page = tmp_path / "0000000001.json"
    page.write_text('{"enrollments": [{"id": ', "utf-8")
    batch = Batch("enrollments", [page], watermarks=[mark("a", utc_now())])
    with pytest.raises(ProtocolError):
        load_batch(warehouse, batch, Stamp("default", "run", utc_now()))
    assert watermarks(warehouse) == {}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (lambda t: t, lambda t: t + timedelta(hours=1), lambda t: t + timedelta(hours=1)),
        (lambda t: t, lambda t: t - timedelta(hours=1), lambda t: t),
        (lambda t: t, lambda t: None, lambda t: t),
        (lambda t: None, lambda t: t, lambda t: t),
        (lambda t: None, lambda t: None, lambda t: None),
    ],
    ids=["forward", "not back", "nothing claimed keeps it", "first claim", "never any"],
)
def test_a_watermark_only_moves_forward(
    warehouse: Warehouse, first: Callable[..., Any], second: Callable[..., Any], expected: Callable[..., Any]
) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for claim in (first, second):
        load(warehouse, [], watermarks=[mark("a", claim(moment))])
    assert watermarks(warehouse) == {"a": expected(moment)}


def test_a_course_is_gone_from_the_second_run_that_met_its_404_and_marked_once(warehouse: Warehouse) -> None:
    course = {"id": new_id(), "name": "Gone"}
    load(warehouse, [course, {"id": new_id(), "name": "Here"}], stream="courses")
    now = utc_now()
    second, third = now + timedelta(hours=1), now + timedelta(hours=2)
    for moment, begun_at, marked in (
        (now, now, None),
        (now, now, None),
        (second, second, second),
        (third, third, second),
    ):
        batch = Batch("enrollments", tombstones=[course["id"]], begun_at=begun_at)
        load_batch(warehouse, batch, Stamp("default", "run", moment))
        assert query(warehouse, "SELECT name, _removed_at FROM absorb.courses ORDER BY name") == [
            ("Gone", marked),
            ("Here", None),
        ]


# -- rows that came with a batch and are not in its pages, and ids of two courses --------------------------


def waiting(warehouse: Warehouse) -> list[tuple[str, str]]:
    return query(warehouse, "SELECT source_id, raw FROM ops.quarantine WHERE resolved_at IS NULL ORDER BY ALL")


def test_rows_that_cannot_be_read_are_kept_in_the_transaction_of_their_batch(warehouse: Warehouse) -> None:
    row = enrollment()
    load(warehouse, [row])
    rejects = [unreadable(b'{"id": "\xff\\ud800"', row["id"].upper(), "odd"), unreadable(b"", None, "nothing", "1")]
    batch = Batch("enrollments", rejects=rejects, watermarks=[mark("a", utc_now())])
    counts = load_batch(warehouse, batch, Stamp("default", "second", utc_now()))
    assert (counts.read, counts.quarantined, counts.unchanged) == (2, 2, 0)
    assert [json.loads(raw) for source_id, raw in waiting(warehouse) if source_id == row["id"]] == [
        '{"id": "\\xff\\ud800"'
    ]
    assert len(waiting(warehouse)) == 2
    assert set(watermarks(warehouse)) == {"a"}
    # A row that is served right again settles its own.
    load(warehouse, [row | {"progress": 5.0}])
    assert [source_id for source_id, _ in waiting(warehouse)] == [rejects[1].source_id]


def test_of_two_readings_in_one_batch_the_one_that_cannot_be_read_is_not_forgotten(warehouse: Warehouse) -> None:
    row = enrollment()
    [file] = land(warehouse.path.parent / "pages", "enrollments", [[row]])
    batch = Batch("enrollments", [file], 1, [unreadable(b"{", row["id"], "odd")])
    counts = load_batch(warehouse, batch, Stamp("default", "run", utc_now()))
    assert (counts.inserted, counts.quarantined) == (1, 1)
    assert [source_id for source_id, _ in waiting(warehouse)] == [row["id"]]


def test_rows_without_an_id_are_told_apart_by_their_place() -> None:
    assert len({unreadable(b"{", None, "odd", place).source_id for place in ("a 1", "a 2", "b 1")}) == 3


def test_the_same_enrollment_in_two_courses_is_stored_once_and_kept_once(warehouse: Warehouse) -> None:
    first, other = enrollment(), new_id()
    second = first | {"courseId": other, "progress": 50.0}
    assert load(warehouse, [enrollment(), first, second, first]).quarantined == 1
    for rows in ([second], [second | {"progress": 60.0}, first], [first]):
        counts = load(warehouse, rows)
        assert (counts.updated, counts.inserted) == (0, 0)
        stored = query(
            warehouse, "SELECT CAST(course_id AS VARCHAR) FROM absorb.enrollments WHERE id = ?", [first["id"]]
        )
        assert stored == [(first["courseId"],)]
    [(source_id, raw)] = waiting(warehouse)
    assert (source_id, json.loads(raw)) == (f"{first['id']}@{other}", second | {"progress": 60.0})


def test_an_enrollment_that_is_removed_may_return_in_another_course(warehouse: Warehouse) -> None:
    first = enrollment()
    second = first | {"courseId": new_id()}
    load(warehouse, [first])
    load(warehouse, [second])
    query(warehouse, "UPDATE absorb.enrollments SET _removed_at = now()")
    assert load(warehouse, [second]).returned == 1
    assert waiting(warehouse) == []
