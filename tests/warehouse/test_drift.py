"""Fields that nobody knows are kept and named once; a field that changed its type quarantines its rows, not the run."""

from __future__ import annotations

import itertools
import json
import logging
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import Row, enrollment, examples, load, query

from connector.cli.commands import rejects as rejected
from connector.settings import load_settings
from connector.warehouse import load as loading
from connector.warehouse import shapes
from connector.warehouse.database import Warehouse
from connector.warehouse.quarantine import pending_quarantine

_tenants = itertools.count(1)


@pytest.fixture(autouse=True)
def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process has learnt of other files is not known here."""
    monkeypatch.setattr(shapes, "_keys", {})


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """One file for what only compares rows: each load works on a tenant of its own."""
    return Warehouse(tmp_path_factory.mktemp("drift") / "warehouse.duckdb")


def extra(warehouse: Warehouse, row: Row, tenant_id: str = "default") -> Any:
    """What is kept of a row beside its known fields; None when there is nothing."""
    found = query(
        warehouse, "SELECT _extra FROM absorb.enrollments WHERE id = ? AND tenant_id = ?", [row["id"], tenant_id]
    )
    assert len(found) == 1, "the row is not there"
    return None if found[0][0] is None else json.loads(found[0][0])


def noticed(warehouse: Warehouse) -> list[str]:
    return [field for (field,) in query(warehouse, "SELECT field FROM ops.drift ORDER BY field")]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        r.getMessage() for r in caplog.records if r.levelno == logging.WARNING and "does not know" in r.getMessage()
    ]


# -- unknown fields --------------------------------------------------------------------------------------


def test_an_unknown_field_is_kept_with_its_value(warehouse: Warehouse) -> None:
    row = enrollment() | {"aiSummary": "went well"}
    counts = load(warehouse, [row])
    assert (counts.inserted, counts.quarantined) == (1, 0)
    assert extra(warehouse, row) == {"aiSummary": "went well"}


def test_an_unknown_field_is_named_once_over_several_loads(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for number in range(4):
            load(warehouse, [enrollment() | {"aiSummary": number}], [enrollment() | {"aiSummary": "x"}])
    assert len(warnings(caplog)) == 1
    assert "aiSummary" in warnings(caplog)[0]
    assert "absorb.enrollments._extra" in warnings(caplog)[0]
    assert noticed(warehouse) == ["aiSummary"]


def test_a_second_unknown_field_is_named_on_its_own(warehouse: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    load(warehouse, [enrollment() | {"one": 1}])
    caplog.clear()
    row = enrollment() | {"one": 1, "two": 2}
    with caplog.at_level(logging.WARNING):
        load(warehouse, [row])
    assert len(warnings(caplog)) == 1
    assert "'two'" in warnings(caplog)[0]
    assert extra(warehouse, row) == {"one": 1, "two": 2}


def test_known_fields_left_out_or_renamed_as_documented_are_no_drift(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    row = enrollment(name="First Aid")
    for name in ("courseName", "avatar", "accessDate", "timeSpentTicks", "courseCollectionId"):
        del row[name]
    with caplog.at_level(logging.WARNING):
        assert load(warehouse, [row]).inserted == 1
    assert warnings(caplog) == []
    assert noticed(warehouse) == []
    assert extra(warehouse, row) is None


def test_a_row_is_unchanged_when_only_another_gains_a_field(warehouse: Warehouse) -> None:
    plain, other = enrollment(), enrollment()
    load(warehouse, [plain, other])
    counts = load(warehouse, [plain, other | {"aiSummary": "new"}])
    assert (counts.inserted, counts.updated, counts.unchanged) == (0, 1, 1)
    assert extra(warehouse, plain) is None
    counts = load(warehouse, [plain, other | {"aiSummary": "new"}])
    assert (counts.updated, counts.unchanged) == (0, 2)


def test_a_changed_unknown_value_is_a_change(warehouse: Warehouse) -> None:
    row = enrollment() | {"level": 1}
    load(warehouse, [row])
    assert load(warehouse, [row | {"level": 2}]).updated == 1
    assert extra(warehouse, row) == {"level": 2}


def test_a_field_that_is_gone_later_is_gone_from_rows_read_since_only(warehouse: Warehouse) -> None:
    one, two = enrollment() | {"level": 1}, enrollment() | {"level": 2}
    load(warehouse, [one, two])
    del one["level"]
    assert load(warehouse, [one]).updated == 1
    assert extra(warehouse, one) is None
    assert extra(warehouse, two) == {"level": 2}


def test_drift_within_one_batch_is_kept_for_every_row(warehouse: Warehouse) -> None:
    rows = [enrollment() | ({f"field{number % 7}": number} if number % 3 else {}) for number in range(60)]
    load(warehouse, rows[:20], rows[20:40], rows[40:])
    for number, row in enumerate(rows):
        assert extra(warehouse, row) == ({f"field{number % 7}": number} if number % 3 else None)


def test_an_unknown_field_of_an_unfit_row_holds_up_nobody(warehouse: Warehouse) -> None:
    bad, good = enrollment(status="done") | {"level": 1}, enrollment() | {"level": 2}
    counts = load(warehouse, [bad, good])
    assert (counts.inserted, counts.quarantined) == (1, 1)
    assert extra(warehouse, good) == {"level": 2}


@pytest.mark.parametrize("stream", ["users", "courses", "departments"])
def test_every_stream_keeps_unknown_fields(warehouse: Warehouse, stream: str) -> None:
    key = enrollment()["id"]
    load(warehouse, [{"id": key, "newField": [1]}], stream=stream)
    assert query(warehouse, f"SELECT CAST(_extra AS VARCHAR) FROM absorb.{stream}") == [('{"newField":[1]}',)]


@pytest.mark.parametrize("where", ["another tenant", "another file"])
def test_what_one_process_met_elsewhere_hides_nothing_here(warehouse: Warehouse, tmp_path: Path, where: str) -> None:
    load(warehouse, [enrollment() | {"aiSummary": 1}])
    there = Warehouse(tmp_path / "other.duckdb") if where == "another file" else warehouse
    tenant = "other" if where == "another tenant" else "default"
    row = enrollment() | {"aiSummary": 2}
    load(there, [row], tenant_id=tenant)
    assert extra(there, row, tenant) == {"aiSummary": 2}


def test_a_field_met_by_a_load_that_failed_is_kept_by_the_next(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = enrollment() | {"aiSummary": 1}
    with monkeypatch.context() as patch:
        patch.setattr(loading, "put_watermarks", Mock(side_effect=RuntimeError("disk full")))
        with pytest.raises(RuntimeError, match="disk full"):
            load(warehouse, [row])
    assert noticed(warehouse) == []
    load(warehouse, [row])
    assert extra(warehouse, row) == {"aiSummary": 1}


ODD_NAMES = {
    "quotes": """it's "odd" `here`""",
    "spaces": " two  words ",
    "a dot": "custom.field",
    "a path": "$.status",
    "brackets": "a[0]",
    "a slash": "a/b",
    "a backslash": "back\\slash",
    "a newline": "line\nbreak",
    "semicolon": "x'); DROP TABLE absorb.enrollments; --",
    "letters of the world": "größe_名前_🎓",
    "digits": "1234",
    "ours": "_extra",
    "ours too": "tenant_id",
    "a keyword": "select",
    "a column's name": "course_id",
    "200 characters": "n" * 200,
}


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_odd_names_are_names(shared: Warehouse, name: str) -> None:
    tenant = f"odd-{next(_tenants)}"
    row = enrollment() | {name: "value"}
    assert load(shared, [row], tenant_id=tenant).inserted == 1
    assert extra(shared, row, tenant) == {name: "value"}


def test_a_name_of_300_characters_holds_up_nobody_and_is_not_passed_over_in_silence(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    row = enrollment() | {"n" * 300: "value"}
    with caplog.at_level(logging.WARNING):
        assert load(warehouse, [row]).inserted == 1
    assert extra(warehouse, row) == {"n" * 300: "value"} or "nnn" in caplog.text


def test_a_case_variant_of_an_unknown_field_is_kept_too(warehouse: Warehouse) -> None:
    one, two = enrollment() | {"aiSummary": 1}, enrollment() | {"AISummary": 2}
    load(warehouse, [one])
    load(warehouse, [two])
    assert list((extra(warehouse, one) or {}).values()) == [1]
    assert list((extra(warehouse, two) or {}).values()) == [2]


def test_a_case_variant_of_a_known_field_is_not_lost(warehouse: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    row = enrollment() | {"Score": 88.5}
    del row["score"]
    with caplog.at_level(logging.WARNING):
        load(warehouse, [row])
    score = query(warehouse, "SELECT score FROM absorb.enrollments")[0][0]
    assert score == 88.5 or (extra(warehouse, row) or {}).get("Score") == 88.5 or "Score" in caplog.text


def test_more_unknown_fields_than_are_kept_hold_up_nobody_and_are_said(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    row = enrollment() | {f"field{number:03d}": number for number in range(150)}
    with caplog.at_level(logging.WARNING):
        assert load(warehouse, [row]).inserted == 1
    kept = extra(warehouse, row)
    assert len(kept) == 150 or "field149" in caplog.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@pytest.mark.property
@hypothesis_settings(max_examples=examples(15), suppress_health_check=[HealthCheck.too_slow])
@given(values=st.lists(st.dictionaries(NAMES, JSON, max_size=4), min_size=1, max_size=5))
def test_any_json_object_is_kept_as_it_came(shared: Warehouse, values: list[Row]) -> None:
    shapes._keys.clear()
    rows = [enrollment() | {"payload": value} for value in values]
    tenant = f"any-{next(_tenants)}"
    load(shared, rows, tenant_id=tenant)
    for row, value in zip(rows, values, strict=True):
        assert extra(shared, row, tenant) == {"payload": value}


@pytest.mark.parametrize(
    "value", [0, -1.5, 1e300, True, False, "", "null", [], {}, [None], {"a": {"b": [1, {"c": 2}]}}]
)
def test_values_of_every_kind_are_kept_as_they_came(shared: Warehouse, value: Any) -> None:
    row = enrollment() | {"payload": value}
    tenant = f"kind-{next(_tenants)}"
    load(shared, [row], tenant_id=tenant)
    kept = extra(shared, row, tenant)
    assert kept == {"payload": value}
    assert type(kept["payload"]) is type(value)


# -- type changes ----------------------------------------------------------------------------------------

CHANGED: dict[str, Row] = {
    "status becomes a word": {"status": "Complete"},
    "progress becomes a word": {"progress": "half"},
    "score becomes an object": {"score": {"value": 80, "of": 100}},
    "isActive becomes a number": {"isActive": 1},
    "userId becomes a number": {"userId": 4711},
    "dateEdited becomes a number": {"dateEdited": 1767607200},
    "dateCompleted becomes American": {"dateCompleted": "01/05/2026"},
    "courseVersionId becomes a list": {"courseVersionId": [1]},
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_a_type_change_quarantines_its_rows_and_no_others(shared: Warehouse, change: Row) -> None:
    tenant = f"type-{next(_tenants)}"
    good, bad = [enrollment() for _ in range(5)], [enrollment() | change for _ in range(3)]
    counts = load(shared, [*good, *bad], tenant_id=tenant)
    assert (counts.inserted, counts.quarantined) == (5, 3)
    found = query(
        shared, "SELECT source_id, field, CAST(raw AS VARCHAR) FROM ops.quarantine WHERE tenant_id = ?", [tenant]
    )
    assert {source_id for source_id, _, _ in found} == {row["id"] for row in bad}
    assert {field.split(".")[0] for _, field, _ in found} == {*change}
    assert sorted((json.loads(raw) for _, _, raw in found), key=lambda row: row["id"]) == sorted(
        bad, key=lambda row: row["id"]
    )


def test_the_last_good_version_of_a_row_stays_while_its_type_is_wrong(warehouse: Warehouse) -> None:
    row = enrollment(progress=40.0)
    load(warehouse, [row])
    load(warehouse, [row | {"progress": "half"}])
    assert query(warehouse, "SELECT progress FROM absorb.enrollments") == [(40.0,)]


# -- rejects ---------------------------------------------------------------------------------------------


def test_rejects_are_listed_retried_after_a_fix_and_cleared(warehouse: Warehouse) -> None:
    settings = load_settings(warehouse={"path": warehouse.path})
    kept, fixed, given_up = enrollment() | {"level": 7}, enrollment(), enrollment()
    load(warehouse, [kept | {"progress": "half"}, fixed | {"status": "done"}, given_up | {"userId": "nobody"}])
    listed = rejected.collect(settings, 50)
    assert listed["pending"] == 3
    assert {row["source_id"]: row["field"] for row in listed["source"]} == {
        kept["id"]: "progress", fixed["id"]: "status", given_up["id"]: "userId",
    }  # fmt: skip
    # Nothing was fixed: a retry loads nothing and loses nothing.
    report = rejected.retry(settings)
    assert (report.loaded["enrollments"], report.still_unfit, report.complete) == (0, 3, False)
    # As after a fix of the reader: what is kept in quarantine fits now.
    for row in (kept, fixed):
        query(warehouse, "UPDATE ops.quarantine SET raw = ? WHERE source_id = ?", [json.dumps(row), row["id"]])
    report = rejected.retry(settings)
    assert (report.loaded["enrollments"], report.still_unfit) == (2, 1)
    found = {str(row_id) for (row_id,) in query(warehouse, "SELECT id FROM absorb.enrollments")}
    assert found == {kept["id"], fixed["id"]}
    assert extra(warehouse, kept) == {"level": 7}
    assert rejected.clear(settings).rows == 1
    assert rejected.collect(settings, 50)["pending"] == 0
    with warehouse.connect() as connection:
        assert pending_quarantine(connection, "default") == 0
    assert query(warehouse, "SELECT count(*) FROM ops.quarantine") == [(3,)]


def test_a_retry_never_puts_an_old_row_over_a_newer_one(warehouse: Warehouse) -> None:
    settings = load_settings(warehouse={"path": warehouse.path})
    row = enrollment(progress=10.0)
    load(warehouse, [row | {"status": "done"}])
    load(warehouse, [row | {"progress": 90.0, "dateEdited": "2026-02-01T00:00:00"}])
    assert rejected.retry(settings).complete
    assert query(warehouse, "SELECT progress FROM absorb.enrollments") == [(90.0,)]


def test_a_field_named_like_a_column_of_ours_is_kept_like_any_other(warehouse: Warehouse) -> None:
    names = [
        "tenant_id", "_loaded_at", "_run_id", "_removed_at", "_extra", "_unfit", "_shape", "_due_day", "seq", "raw",
        "r", "course_id", "ID", "DateEdited", "dateedited", "k", "v", "page", "filename", "enrollments", "staged",
    ]  # fmt: skip
    row = enrollment() | {name: {"value": name} for name in names}
    assert load(warehouse, [row, enrollment()]).inserted == 2
    assert load(warehouse, [row]).unchanged == 1
    assert extra(warehouse, row) == {name: {"value": name} for name in names}


def test_a_name_that_no_statement_can_hold_is_said_and_costs_no_row(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    row = enrollment() | {"a\0b": 1, "\0": 2, "kept": 3}
    assert load(warehouse, [row]).inserted == 1
    assert extra(warehouse, row) == {"kept": 3}
    assert r"cannot keep: 'a\x00b'" in caplog.text
