"""The one reader of JSON answers: a document of the kind that was due, or an error that says what came instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from connector.errors import ProtocolError
from connector.http.answers import Answer, Reader, json_or_none

READER = Reader("answered {status} with something odd: {why}", "Check the address.")


class Thing(BaseModel):
    size: int


def answer(body: str) -> Answer:
    return Answer("GET", "/things", 200, {}, body.encode())


@pytest.mark.parametrize(
    ("read", "body", "found"),
    [(READER.document, "null", None), (READER.object, '{"a": 1}', {"a": 1}), (READER.array, "[1]", [1])],
)
def test_what_was_due_is_read(read: Callable[[Answer], Any], body: str, found: Any) -> None:
    assert read(answer(body)) == found


@pytest.mark.parametrize(
    ("read", "body", "why"),
    [
        (READER.document, "<html>", "the body is not JSON"),
        (READER.document, "", "the body is not JSON"),
        (READER.object, '{"cut', "the body is not JSON"),
        (READER.object, "[]", "a JSON object was due"),
        (READER.array, "{}", "a JSON array was due"),
        (READER.array, "null", "a JSON array was due"),
    ],
)
def test_anything_else_is_an_error_with_remedy(read: Callable[[Answer], Any], body: str, why: str) -> None:
    with pytest.raises(ProtocolError) as found:
        read(answer(body))
    assert found.value.message == f"GET /things answered 200 with something odd: {why}."
    assert (found.value.remedy, found.value.status, found.value.body) == ("Check the address.", 200, body)


def test_a_part_that_does_not_fit_is_told_without_its_value() -> None:
    assert READER.model(answer("{}"), Thing, {"size": 3}) == Thing(size=3)
    with pytest.raises(ProtocolError, match="size: Input should be a valid integer") as found:
        READER.model(answer("{}"), Thing, {"size": "private"})
    assert "private" not in str(found.value)


@pytest.mark.parametrize(("body", "found"), [("[1]", [1]), ("<html>", None), ("", None), ("null", None)])
def test_the_body_of_a_refusal_may_be_anything(body: str, found: Any) -> None:
    assert json_or_none(answer(body)) == found
