"""Odd bodies, made from good ones: what a server may send in place of what its API documents."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

Path = tuple[Any, ...]

VALUES = st.sampled_from(
    [
        None, True, False, 0, -1, 1, 10**20, 1.5, -0.0, "", "x", "true", "0001-01-01T00:00:00Z", "\u0000", "é" * 40,
        "../..", "https://elsewhere.example/x", [], {}, [None], ["x"], [[]], [{}], {"x": 1}, {"": None}, [1, 2, 3],
    ]
)  # fmt: skip
# Texts that no JSON writer makes, put in place of a value.
RAW = st.sampled_from(
    [
        b"NaN", b"-Infinity", b"1e999", b"9" * 5_000, b'"\\ud800"', b'"\xff\xfe"', b'"\x00"', b"[" * 300 + b"]" * 300,
        b"<html>", b"", b"'x'", b"{,}", b'{"a": 1, "a": 2}', b"01",
    ]
)  # fmt: skip
WHOLE = st.sampled_from(
    [
        b"", b"null", b"[]", b"{}", b'"text"', b"0", b"true", b"[null]", b"[[]]", b"[{}]", b"<html>Sorry</html>",
        b"\xff\xfe\x00", b"\xef\xbb\xbf{}", b"{" * 2_000, b'["' + b"x" * 100_000 + b'"]',
        b"[" + b"{}," * 30_000 + b"{}]",
    ]
)  # fmt: skip
BYTES = st.sampled_from(
    [b'"', b",", b"\n", b"\r", b"\xff", b"\x00", b'""', b"\xed\xa0\x80", b"", b"x" * 140_000]
)  # fmt: skip
_MARK = "the-place-of-a-raw-text"


def places(document: Any, above: Path = ()) -> Iterator[Path]:
    """The path of everything in a document."""
    listed = enumerate(document) if isinstance(document, list) else ()
    for key, value in document.items() if isinstance(document, dict) else listed:
        yield (*above, key)
        yield from places(value, (*above, key))


def changed(document: Any, place: Path, deed: Callable[[Any, Any], None]) -> Any:
    """A copy in which the deed was done to (parent, key) of a place."""
    copied = copy.deepcopy(document)
    parent = copied
    for key in place[:-1]:
        parent = parent[key]
    deed(parent, place[-1])
    return copied


def _drop(parent: Any, key: Any) -> None:
    del parent[key]


def _twice(parent: Any, key: Any) -> None:
    if isinstance(parent, list):
        parent.append(parent[key])
    else:
        parent[f"{key}2"] = parent.pop(key)


def put(value: Any) -> Callable[[Any, Any], None]:
    """Replaces what is there."""

    def deed(parent: Any, key: Any) -> None:
        parent[key] = value

    return deed


@st.composite
def odd_json(draw: st.DrawFn, good: Any) -> bytes:
    """A body that differs from the good document in one place, or altogether."""
    kind = draw(st.sampled_from(["value", "value", "raw", "drop", "twice", "whole", "cut", "byte"]))
    whole = json.dumps(good).encode()
    where = list(places(good))
    if kind == "whole" or not where:
        return draw(WHOLE)
    if kind == "cut":
        return whole[: draw(st.integers(0, len(whole) - 1))]
    if kind == "byte":
        at = draw(st.integers(0, len(whole) - 1))
        return whole[:at] + bytes([draw(st.integers(0, 255))]) + whole[at + 1 :]
    place = draw(st.sampled_from(where))
    if kind == "raw":
        text = json.dumps(changed(good, place, put(_MARK))).encode()
        return text.replace(json.dumps(_MARK).encode(), draw(RAW))
    deed = {"drop": _drop, "twice": _twice}.get(kind) or put(draw(VALUES))
    return json.dumps(changed(good, place, deed)).encode()


@st.composite
def odd_csv(draw: st.DrawFn, good: bytes) -> bytes:
    """A result file that was cut, or of which some bytes are others."""
    kind = draw(st.sampled_from(["whole", "cut", "bytes", "line", "line"]))
    if kind == "whole":
        return draw(WHOLE)
    at = draw(st.integers(0, len(good)))
    if kind == "cut":
        return good[:at]
    if kind == "bytes":
        return good[:at] + draw(BYTES) + good[at + 1 :]
    lines = good.split(b"\n")
    number = draw(st.integers(0, len(lines) - 1))
    instead = draw(st.sampled_from([[], [b""], [b'"x"'], lines[number:] * 2]))
    return b"\n".join([*lines[:number], *instead, *lines[number + 1 :]])
