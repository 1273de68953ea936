"""Pages that cannot be read at once: the row that cannot be read is told apart, or the page is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import examples, new_id

from connector.absorb.bodies import Body, read_body
from connector.absorb.pull.details_reading import read_array
from connector.absorb.scan import parts, parts_of_whole
from connector.errors import ProtocolError, UnreadablePageError
from connector.http.answers import Answer
from connector.streams.details import attempt_count
from connector.times import parse_instant

EDITED = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = b'"@@"'


def body_of(data: bytes) -> Body:
    return read_body(Answer("GET", "/users", 200, {}, data), "users")


def page(value: bytes, ids: list[str]) -> bytes:
    """A page of rows; the second one has `value` in a field."""
    rows = [{"id": row_id, "dateEdited": "2026-01-01T00:00:00", "note": "as ever"} for row_id in ids]
    rows[1]["note"] = "@@"
    document = {"totalItems": len(ids), "limit": 10, "users": rows, "_meta": {}}
    return json.dumps(document).encode().replace(PLACE, value)


# What one value of a row is served as. Its row can be told apart, and cannot be read.
UNREADABLE = {
    "half a surrogate pair": rb'"a\ud800b"',
    "the other half": rb'"\udc00"',
    "no UTF-8": b'"a\xffb"',
    "a surrogate in bytes": b'"\xed\xa0\x80"',
    "300 levels": b"[" * 300 + b"]" * 300,
    "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
    "5,000 digits": b"1" * 5_000,
    "a line break": b'"a\nb"',
    "an escape of nobody's": rb'"\q"',
    "a zero before": b"01",
    "Python's None": b"None",
    "no value at all in a name": b'"a", "\xff": 1',
}


@pytest.mark.parametrize("value", UNREADABLE.values(), ids=UNREADABLE)
def test_a_row_that_cannot_be_read_is_set_aside_alone(value: bytes) -> None:
    ids = [new_id() for _ in range(4)]
    body = body_of(page(value, ids))
    assert (body.page.ids, body.page.edited) == (ids, [EDITED] * 4)
    assert (body.page.total, body.page.limit, body.rows, body.whole) == (4, 10, 3, True)
    assert [row["id"] for row in json.loads(body.landed)["users"]] == [ids[0], *ids[2:]]
    [reject] = body.rejects
    assert (reject.source_id, reject.field) == (ids[1], None)
    assert reject.reason.startswith("cannot be read as JSON: ")
    received = json.dumps({"id": ids[1], "dateEdited": "2026-01-01T00:00:00", "note": "@@"}).encode()
    assert json.loads(reject.raw) == received.replace(PLACE, value).decode("utf-8", "backslashreplace")


# Values that every reader takes: the page goes on as it came.
READABLE = {
    "150 levels": b"[" * 150 + b"]" * 150,
    "4,000 digits": b"1" * 4_000,
    "a NUL": rb'"\u0000"',
    "braces in a text": rb'"}], \" {"',
    "NaN": b"NaN",
}


@pytest.mark.parametrize("value", READABLE.values(), ids=READABLE)
def test_a_page_that_can_be_read_stays_as_it_came(value: bytes) -> None:
    data = page(value, [new_id() for _ in range(3)])
    body = body_of(data)
    assert body.landed is data
    assert (body.rows, body.rejects, body.whole) == (3, (), True)


def test_what_cannot_be_read_beside_the_rows_costs_no_row() -> None:
    ids = [new_id() for _ in range(2)]
    body = body_of(b"\xef\xbb\xbf" + page(b'"fine"', ids).replace(b'"_meta": {}', b'"_meta": "\xff"'))
    assert (body.page.ids, body.page.total, body.rejects) == (ids, 2, [])


# Where a row ends is anybody's guess: the page is asked for in smaller ones.
CUT = {
    "a quote too many": page(b'"a"b"', [new_id(), new_id()]),
    "a bracket too few": page(b"[1", [new_id(), new_id()]),
    "cut": page(b"1", [new_id(), new_id()])[:100],
    "two documents": page(b"1", [new_id(), new_id()]) * 2,
}
# What is no page: nothing that a smaller one could cure.
NO_PAGE = {
    "nothing": b"",
    "HTML": b"<html>sorry</html>",
    "null": b"null",
    "a text": b'"users"',
    "an array": b'[{"users": []}]',
    "no list": b'{"totalItems": 3}',
    "an object in its place": b'{"users": {"a": "\xff"}}',
    "a text in its place": b'{"users": "\xff"}',
    "two lists": b'{"users": [], "users": [1]}',
    "two lists, one of which cannot be read": b'{"users": ["\xff"], "users": [1]}',
}


@pytest.mark.parametrize("data", CUT.values(), ids=CUT)
def test_a_page_whose_rows_cannot_be_told_apart_is_refused_as_such(data: bytes) -> None:
    with pytest.raises(UnreadablePageError) as failure:
        body_of(data)
    assert failure.value.received == data


@pytest.mark.parametrize("data", NO_PAGE.values(), ids=NO_PAGE)
def test_what_is_no_page_is_one_clear_error(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a page") as failure:
        body_of(data)
    assert not isinstance(failure.value, UnreadablePageError)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "1899-12-31T23:59:59Z", "2200-01-01T00:00:00", "9999-12-31"])
def test_a_date_that_is_none_takes_no_part_in_paging(text: str) -> None:
    rows = json.dumps([{"id": new_id(), "dateEdited": text}])
    assert body_of(f'{{"totalItems": {10**4000}, "limit": -1, "users": {rows}}}'.encode()).page.edited == [None]


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05", "2026-01-05T10:00:00", "2026-01-05T10:00:00.1234567", "2026-01-05T10:00:00Z",
        "2026-01-05T10:00:00.123456789Z", "2026-01-05T10:00:00+02:00", "2026-01-05T10:00:00.5-0330",
        "2199-12-31T23:59:59",
    ],
)  # fmt: skip
def test_a_date_of_any_spelling_is_the_instant_that_it_names(text: str) -> None:
    row = json.dumps({"id": new_id(), "dateEdited": text}).encode()
    assert body_of(b'{"totalItems": 1, "limit": 10, "users": [%s]}' % row).page.edited == [parse_instant(text)]


@pytest.mark.property
@settings(max_examples=examples(100))
@given(document=DOCUMENTS, indent=st.sampled_from([None, 1]), plain=st.booleans(), cut=st.integers(0, 10**6))
def test_the_scanner_finds_what_a_reader_finds_and_refuses_what_is_cut(
    document: Any, indent: int | None, plain: bool, cut: int
) -> None:
    data = json.dumps([document], indent=indent, ensure_ascii=plain).encode("utf-8", "surrogatepass")
    [part] = parts_of_whole(data)
    text = data[part.start : part.end]
    assert json.loads(text) == document
    if isinstance(document, dict | list):
        found = [json.loads(text[one.start : one.end]) for one in parts(text)]
        assert found == (list(document.values()) if isinstance(document, dict) else document)
    with pytest.raises(ValueError, match=r"due|early"):
        parts_of_whole(data[: cut % len(data)])


ARRAYS = {b"[1e400]": None, b'[{"id": 1e400}]': None, b"[null]": None, b"\xef\xbb\xbf[]": []}
NO_ARRAYS = [b"{}", b"", b"[1,]", b"\xff\xfe[\x00]\x00", b'{"a": "\xff"}', b'["a"b"]']


def test_the_arrays_inside_an_enrollment_are_read_or_refused() -> None:
    for data, ids in ARRAYS.items():
        assert read_array(Answer("GET", "/lessons", 200, {}, data)).ids == ids
    for data in NO_ARRAYS:
        with pytest.raises(ProtocolError, match="GET /lessons"):
            read_array(Answer("GET", "/lessons", 200, {}, data))
    ids = [new_id() for _ in range(3)]
    rows = json.dumps([{"id": row_id, "name": "@@" if row_id == ids[1] else ""} for row_id in ids]).encode()
    array = read_array(Answer("GET", "/lessons", 200, {}, rows.replace(PLACE, b'"\xff"')))
    assert [row["id"] for row in array.rows] == [row["id"] for row in json.loads(f"[{array.text}]")] == [ids[0], ids[2]]
    assert ([reject.source_id for reject in array.rejects], sorted(array.ids or [])) == ([ids[1]], sorted(ids))
    counts = [1, 2.0, [1], float("inf"), "3", None, {}]
    assert [attempt_count(value) for value in counts] == [1, 2, 1, None, None, None, None]
