"""LearningRecord ids: the SQL macro and its Python twin agree, and an id is a pure function that sorts by dateAdded."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support import examples

from mappings import load_mapping
from tests.ulid import CROCKFORD, learning_record_id

SHAPE = re.compile(rf"lrn_[0-7][{CROCKFORD}]{{25}}")
tenants = st.from_regex(r"\A[A-Za-z0-9_.-]{1,64}\Z") | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12
)
EARLIEST, LATEST = datetime(1, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001 - hypothesis wants naive bounds
moments = st.datetimes(EARLIEST, LATEST, timezones=st.just(UTC)) | st.integers(1, 2_000_000_000_000_000).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        opened.execute(load_mapping().sql("macros"))
        yield opened


@given(st.lists(st.tuples(tenants, st.uuids(), moments), min_size=1, max_size=15))
@pytest.mark.property
@hypothesis_settings(max_examples=examples(15))
def test_sql_and_python_make_the_same_ids(
    connection: duckdb.DuckDBPyConnection, rows: list[tuple[str, uuid.UUID, datetime]]
) -> None:
    statement = "SELECT learning_record_id($tenant, 'absorb', CAST($id AS UUID), CAST($added AS TIMESTAMPTZ))"
    for tenant, guid, added in rows:
        made = connection.execute(statement, {"tenant": tenant, "id": str(guid), "added": added}).fetchone()
        assert made == (learning_record_id(tenant, "absorb", str(guid), added),)


@given(tenants, st.uuids(), moments)
def test_an_id_is_a_prefixed_ulid(tenant: str, guid: uuid.UUID, added: datetime) -> None:
    assert SHAPE.fullmatch(learning_record_id(tenant, "absorb", str(guid), added))


@given(st.uuids(), st.uuids(), moments, moments)
def test_the_time_part_sorts_by_date_added(one: uuid.UUID, other: uuid.UUID, first: datetime, second: datetime) -> None:
    first, second = sorted((first, second))
    ids = [learning_record_id("t", "absorb", str(guid), added)[:14] for guid, added in ((one, first), (other, second))]
    assert ids == sorted(ids)
    if first.year >= 1970 and second - first >= timedelta(milliseconds=1):
        assert ids[0] < ids[1]


def test_the_time_part_is_that_of_a_ulid() -> None:
    # The example of the ULID specification, 01ARZ3NDEKTSV4RRFFQ69G5FAV, is of this instant.
    moment = datetime(2016, 7, 30, 23, 54, 10, 259_000, tzinfo=UTC)
    assert learning_record_id("t", "absorb", str(uuid.uuid4()), moment)[4:14] == "01ARZ3NDEK"


def test_an_id_never_changes_between_versions() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    made = learning_record_id("default", "absorb", "0f8fad5b-d9cb-469f-a165-70867728950e", moment)
    assert made == "lrn_01KDVDNA00H2SBN027DVJFVQTN"


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant_id": "b"},
        {"source": "other"},
        {"enrollment_id": "0f8fad5b-d9cb-469f-a165-70867728950f"},
        {"date_added": datetime(2026, 1, 2, tzinfo=UTC)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_each_ingredient_counts(changes: dict[str, object]) -> None:
    base = {
        "tenant_id": "a",
        "source": "absorb",
        "enrollment_id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "date_added": datetime(2026, 1, 1, tzinfo=UTC),
    }
    assert learning_record_id(**base) != learning_record_id(**(base | changes))  # type: ignore[arg-type]
