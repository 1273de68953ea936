"""The client against lists and errors of every plausible shape: the page shows none of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import respx

from connector.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ServerFaultError,
)
from connector.learning_records import client as api
from connector.learning_records.client import LearningRecordsApi
from connector.learning_records.models import FIELDS, LearningRecord, canonical, fingerprint, said
from connector.sandbox.server import Sandbox, SandboxOptions

BASE = "https://records.example"
URL = BASE + api.PATH
PERSON = "a0000000-0000-4000-8000-000000000001"
Act = Callable[[LearningRecordsApi], Any]


def run(act: Act, base: str = BASE, key: str = "key") -> Any:
    async def whole() -> Any:
        async with LearningRecordsApi(base, key, 5000.0) as client:
            return await act(client)

    return asyncio.run(whole())


async def ids(client: LearningRecordsApi, **filters: str) -> list[str]:
    return [record.id async for record in client.list(**filters)]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "PAGE_ROWS", 2)


@pytest.fixture
def served() -> Iterator[Sandbox]:
    options = SandboxOptions(scale=0, courses=1, salesforce=False, learning_records=True)
    with Sandbox(options) as box:
        yield box


# -- over HTTP against the sandbox -------------------------------------------------------------------------------------


def test_create_get_and_list(served: Sandbox) -> None:
    assert served.records is not None
    body = {"title": "First Aid", "person_id": PERSON, "score": 87.5, "passed": True, "expires_at": None}

    async def act(client: LearningRecordsApi) -> None:
        made = [await client.create(body | {"title": f"First Aid {number}"}) for number in range(5)]
        other = await client.create({"title": "First Aid 0"})
        assert made[0].id.startswith("lrn_")
        assert (made[0].source, made[0].source_type, made[0].is_deleted) == ("edm", "api", False)
        assert None not in (made[0].tenant_id, made[0].app_id, made[0].created_at, made[0].schema_version)
        assert await client.get(made[3].id) == made[3]
        assert await client.get("lrn_none") is None
        everything = sorted([*(record.id for record in made), other.id])
        assert sorted(await ids(client)) == everything
        assert sorted(await ids(client, person_id=PERSON)) == sorted(record.id for record in made)
        assert served.records is not None
        served.records.rows[made[0].id]["is_deleted"] = True
        assert made[0].id not in await ids(client)

    run(act, served.records_url, served.records.api_key)
    assert served.records.calls["GET"] > 8  # pages of two


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"id": "lrn_mine"}, ["id"]),
        ({"tenant_id": "t", "created_at": "2026-01-01T00:00:00Z"}, ["tenant_id", "created_at"]),
        ({"person_id": "somebody", "score": 101}, ["person_id", "score"]),
        (
            {"completed_at": "yesterday", "passed": "yes", "source_type": "etl"},
            ["completed_at", "passed", "source_type"],
        ),
        ({"grade": 1}, ["grade"]),
    ],
)
def test_the_sandbox_refuses_what_the_page_does_not_allow(
    served: Sandbox, body: dict[str, Any], fields: list[str]
) -> None:
    assert served.records is not None
    with pytest.raises(BadRequestError) as refused:
        run(lambda client: client.create(body), served.records_url, served.records.api_key)
    assert (refused.value.status, refused.value.code) == (422, "validation_error")
    assert all(f"'field': '{name}'" in refused.value.message for name in fields)
    assert served.records.rows == {}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_the_sandbox_has_no_update_and_no_delete(served: Sandbox, method: str) -> None:
    assert served.records is not None
    row = served.records.create({"title": "x"})
    headers = {"authorization": f"Bearer {served.records.api_key}"}
    answer = httpx.request(method, f"{served.records_url}{api.PATH}/{row['id']}", headers=headers)
    assert answer.status_code == 405
    assert served.records.rows == {row["id"]: row}


# -- other shapes ------------------------------------------------------------------------------------------------------


def row(number: int) -> dict[str, Any]:
    return {"id": f"lrn_{number}", "person_id": PERSON, "surprise": 1}


@pytest.mark.parametrize("name", [*api._ROWS, None])
@respx.mock
def test_a_list_is_read_whatever_it_is_wrapped_in(name: str | None) -> None:
    body = [row(1)] if name is None else {name: [row(1)]}
    respx.get(URL).respond(json=body)
    assert run(ids) == ["lrn_1"]


@pytest.mark.parametrize("around", [None, "meta", "pagination"])
@pytest.mark.parametrize("cursor", api._CURSORS)
@respx.mock
def test_cursors_are_followed_to_the_end(around: str | None, cursor: str) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        at = int(request.url.params.get("cursor", 0))
        more = {cursor: str(at + 1)} if at < 2 else {cursor: None}
        return httpx.Response(200, json={"data": [row(at)], **({around: more} if around else more)})

    respx.get(URL).mock(side_effect=page)
    assert run(ids) == ["lrn_0", "lrn_1", "lrn_2"]


@respx.mock
def test_without_cursors_pages_are_asked_for_by_offset() -> None:
    def page(request: httpx.Request) -> httpx.Response:
        at = int(request.url.params.get("offset", 0))
        return httpx.Response(200, json=[row(number) for number in range(5)][at : at + 2])

    respx.get(URL).mock(side_effect=page)
    assert run(ids) == [f"lrn_{number}" for number in range(5)]


@respx.mock
def test_a_server_that_serves_the_same_page_again_and_again_is_left() -> None:
    route = respx.get(URL).respond(json={"items": [row(1), row(2)], "next_cursor": "again"})
    assert run(ids) == ["lrn_1", "lrn_2"]
    assert route.call_count == 2


@respx.mock
def test_a_filter_that_the_api_ignores_is_applied_here() -> None:
    respx.get(URL).respond(json={"items": [row(1), {"id": "lrn_2", "person_id": None}]})
    assert run(lambda client: ids(client, person_id=PERSON.upper())) == ["lrn_1"]


@respx.mock
def test_a_filter_that_the_api_refuses_is_left_out() -> None:
    def page(request: httpx.Request) -> httpx.Response:
        if "person_id" in request.url.params:
            return httpx.Response(400, json={"detail": "unknown parameter"})
        return httpx.Response(200, json=[row(1)])

    respx.get(URL).mock(side_effect=page)
    assert run(lambda client: ids(client, person_id=PERSON)) == ["lrn_1"]


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "text"),
    [
        (422, {"error": {"code": "bad", "message": "no title"}}, BadRequestError, "bad", "no title"),
        (422, {"code": "bad", "message": "no title"}, BadRequestError, "bad", "no title"),
        (422, {"errors": [{"code": "bad", "detail": "no title"}]}, BadRequestError, "bad", "no title"),
        (400, {"detail": "no title"}, BadRequestError, "HTTP_400", "no title"),
        (400, {"error": "no title"}, BadRequestError, "HTTP_400", "no title"),
        (400, "no title", BadRequestError, "HTTP_400", "no title"),
        (401, {"error": "who"}, AuthenticationError, "HTTP_401", "who"),
        (403, {"error": "no"}, PermissionDeniedError, "HTTP_403", "no"),
        (404, {}, NotFoundError, "HTTP_404", "404"),
        (500, "<html>", ServerFaultError, "HTTP_500", "html"),
    ],
)
@respx.mock
def test_errors_are_told_apart_whatever_their_body(
    status: int, body: Any, kind: type[ApiError], code: str, text: str
) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    route = respx.post(URL).respond(status, content=content)
    with pytest.raises(kind) as refused:
        run(lambda client: client.create({"title": "x"}))
    assert (refused.value.status, refused.value.code) == (status, code)
    assert text in refused.value.message
    assert route.call_count == 1, "a create is never repeated by itself"


@pytest.mark.parametrize("body", ["not json", "[]", '{"title": "no id"}', "null"])
@respx.mock
def test_a_create_whose_answer_is_no_record_is_of_unknown_outcome(body: str) -> None:
    respx.post(URL).respond(201, content=body)
    with pytest.raises(ProtocolError, match="no LearningRecord answer"):
        run(lambda client: client.create({"title": "x"}))


@respx.mock
def test_the_key_goes_as_a_bearer_token_and_nulls_are_left_out() -> None:
    route = respx.post(URL).respond(201, json={"data": row(1)})
    assert run(lambda client: client.create({"title": "x", "score": None})).id == "lrn_1"
    request = route.calls[0].request
    assert request.headers["authorization"] == "Bearer key"
    assert json.loads(request.content) == {"title": "x"}


# -- content -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "served"),
    [
        ({"completed_at": "2026-01-05T10:00:00.123Z"}, {"completed_at": "2026-01-05T12:00:00.123+02:00"}),
        ({"score": 80}, {"score": 80.0}),
        ({"person_id": PERSON}, {"person_id": PERSON.upper()}),
        ({"title": "x", "score": None}, {"title": "x"}),
    ],
)
def test_what_says_the_same_has_the_same_fingerprint(sent: dict[str, Any], served: dict[str, Any]) -> None:
    record = LearningRecord.model_validate({"id": "lrn_1", **served})
    assert fingerprint(canonical(sent)) == fingerprint(said(record))


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_that_is_sent_counts(name: str) -> None:
    values = {
        "score": 1.0,
        "passed": True,
        "completed_at": "2026-01-05T10:00:00Z",
        "expires_at": "2026-01-05T10:00:00Z",
    }
    changed = canonical({name: values.get(name, PERSON)})
    assert fingerprint(changed) != fingerprint(canonical({}))
