"""Odd answers of the LearningRecord API: read, or an error of ours, and a list that does not end is left."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from odd import odd_json
from support import examples

from connector.errors import LearnsyncError, LimitError
from connector.learning_records import client as api
from connector.learning_records.client import LearningRecordsApi
from connector.learning_records.models import fingerprint, said
from connector.settings import LimitSettings

BASE = "https://records.example"
URL = BASE + api.PATH
RECORD = {
    "id": "lrn_1", "person_id": "a0000000-0000-4000-8000-000000000001", "title": "First Aid", "score": 80.5,
    "passed": True, "completed_at": "2026-01-05T10:00:00Z", "is_deleted": False, "schema_version": 1,
}  # fmt: skip
LIST = {"items": [RECORD, RECORD | {"id": "lrn_2"}], "meta": {"next_cursor": None}}


def run(act: Any, limits: LimitSettings | None = None) -> Any:
    async def whole() -> Any:
        async with LearningRecordsApi(BASE, "key", 5000.0, limits) as client:
            return await act(client)

    return asyncio.run(whole())


async def listed(client: LearningRecordsApi) -> list[Any]:
    return [record async for record in client.list()]


@pytest.mark.property
@pytest.mark.parametrize("name", ["get", "list", "create"])
@hypothesis_settings(max_examples=examples(40))
@given(data=st.data())
def test_any_answer_is_read_or_an_error_of_ours(name: str, data: Any) -> None:
    acts = {
        "get": lambda client: client.get("lrn_1"),
        "list": listed,
        "create": lambda client: client.create({"title": "x"}),
    }
    body = data.draw(odd_json(LIST if name == "list" else RECORD))
    with respx.mock:
        respx.route(host="records.example").respond(200, content=body)
        try:
            found = run(acts[name], LimitSettings(list_pages=3))
        except LearnsyncError:
            return
    for record in found if name == "list" else [found]:
        json.dumps(said(record), allow_nan=False)
        assert len(fingerprint(said(record))) == 64


@respx.mock
def test_a_list_without_end_is_left_and_names_the_setting() -> None:
    numbers = itertools.count()

    def page(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"items": [{"id": f"lrn_{next(numbers)}"}], "next_cursor": "more"})

    route = respx.get(URL).mock(side_effect=page)
    with pytest.raises(LimitError, match=r"more than 4 pages \(LEARNSYNC_LIMITS__LIST_PAGES\)") as found:
        run(listed, LimitSettings(list_pages=4))
    assert (route.call_count, found.value.exit_code) == (4, 1)
