"""When two values are equal in an org: by table, and the Python and the SQL form agree on it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.push.values import in_api, in_api_sql, in_org, in_org_sql

DATABASE = duckdb.connect()
DATABASE.execute("SET TimeZone = 'UTC'")
INSTANTS = st.datetimes(datetime(1700, 1, 1), datetime(4000, 12, 31))  # noqa: DTZ001 - the form adds the zone
FORMS = st.sampled_from(["%Y-%m-%dT%H:%M:%S.000+0000", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+05:30"])
TEXTS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=20) | st.text(
    " \u00a0\u3000\t\nab", max_size=8
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "number": st.integers(-(10**12), 10**12)
    | st.floats(-1e9, 1e9)
    | st.sampled_from([0.0000005, 1.0000005, -0.0, -1e-7]),
    "datetime": st.builds(lambda at, form: at.strftime(form), INSTANTS, FORMS)
    | INSTANTS.map(lambda at: at.isoformat(timespec="milliseconds") + "Z")
    | st.sampled_from(["", "none", "2026-13-01T00:00:00Z"]),
    "checkbox": st.booleans(),
    "reference": st.text("0abcXYZ5", min_size=1, max_size=18),
    "text": TEXTS,
    "parent": TEXTS,
}


@pytest.mark.parametrize(
    ("kind", "one", "other", "equal"),
    [
        ("datetime", "2026-03-01T10:00:00.000+0000", "2026-03-01T10:00:00.417Z", True),
        ("datetime", "2026-03-01T10:00:00.000+0000", "2026-03-01T11:00:00+01:00", True),
        ("datetime", "2026-03-01T10:00:00.000+0000", "2026-03-01T11:00:00.000Z", False),
        ("datetime", None, "2026-03-01T11:00:00.000Z", False),
        ("number", 50.0, 50, True),
        ("number", 50.0, 50.01, False),
        ("number", None, 0, False),
        ("text", None, "", True),
        ("text", " First Aid ", "First Aid", True),
        ("text", "   ", None, True),
        ("text", "2026-03-01", "2026-03-02", False),
        ("text", "On Track", "on track", False),
        ("checkbox", None, False, True),
        ("checkbox", True, True, True),
        ("checkbox", True, False, False),
        ("reference", "005000000000001", "005000000000001AAA", True),
        ("reference", "005000000000001AAA", "005000000000002AAA", False),
        ("reference", None, "005000000000002AAA", False),
    ],
)
def test_values_are_equal_where_the_org_would_call_them_so(kind: str, one: Any, other: Any, equal: bool) -> None:
    assert (in_org(one, kind) == in_org(other, kind)) is equal
    assert equal_in_sql(kind, one, other) is equal


def equal_in_sql(kind: str, one: Any, other: Any) -> bool:
    """As a read-back compares them: out of JSON documents."""
    sides = (in_org_sql(f"json_extract_string({side}, '$.v')", kind) for side in ("$one", "$other"))
    query = f"SELECT {' IS NOT DISTINCT FROM '.join(sides)}"
    documents = {"one": json.dumps({"v": one}), "other": json.dumps({"v": other})}
    found = DATABASE.execute(query, documents).fetchone()
    assert found is not None
    return bool(found[0])


@pytest.mark.parametrize("kind", VALUES)
def test_both_forms_agree(kind: str) -> None:
    values = st.none() | VALUES[kind]

    @given(values, values, st.sampled_from(["", " ", "\u3000", "\n"]))
    def agree(one: Any, other: Any, blank: str) -> None:
        near = one + blank if kind in {"text", "parent"} and one is not None else one
        for left, right in ((one, other), (one, near)):
            assert equal_in_sql(kind, left, right) is (in_org(left, kind) == in_org(right, kind))

    agree()


@pytest.mark.parametrize(
    ("kind", "one", "other", "equal"),
    [
        ("instant", "2026-01-02T03:04:05.600Z", "2026-01-02T04:04:05.6+01:00", True),
        ("instant", "2026-01-02T03:04:05.600Z", "2026-01-02T03:04:05.601Z", False),
        ("instant", None, "2026-01-02T03:04:05.600Z", False),
        ("number", 80, 80.0, True),
        ("number", 80, 80.5, False),
        ("id", "A0-B", "a0-b", True),
        ("", "Fire safety", "Fire safety ", False),
        ("", True, None, False),
    ],
)
def test_values_of_the_api_are_equal_in_both_forms(kind: str, one: Any, other: Any, equal: bool) -> None:
    assert (in_api(one, kind) == in_api(other, kind)) is equal
    sides = (in_api_sql(f"json_extract_string({side}, '$.v')", kind) for side in ("$one", "$other"))
    documents = {"one": json.dumps({"v": one}), "other": json.dumps({"v": other})}
    found = DATABASE.execute(f"SELECT {' IS NOT DISTINCT FROM '.join(sides)}", documents).fetchone()
    assert found == (equal,)
