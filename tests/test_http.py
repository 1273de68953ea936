"""The one transport: when a call is repeated, how long it waits, what it counts, and what it never says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
import respx

from connector import redact
from connector.errors import UnreachableError
from connector.http.answers import Answer
from connector.http.ratelimit import Gate
from connector.http.session import HttpSession

URL = "https://portal.example"
SECRET = "s3cr3t-v4lue-that-nobody-may-see"
PATH = "/things"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are noted, not waited for."""
    noted: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float, *_: Any) -> None:
        if seconds:
            noted.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return noted


@pytest.fixture
def portal() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=URL, assert_all_called=False) as router:
        yield router


def session() -> HttpSession:
    return HttpSession(URL, Gate(10_000, 10_000, 8), setting="LEARNSYNC_ABSORB__BASE_URL")


def run(act: Callable[[HttpSession], Awaitable[Any]]) -> tuple[Any, HttpSession]:
    async def whole() -> tuple[Any, HttpSession]:
        async with session() as opened:
            return await act(opened), opened

    return asyncio.run(whole())


def get(opened: HttpSession) -> Awaitable[Answer]:
    return opened.call("GET", PATH)


def answers(*statuses: int | Exception, **headers: str) -> list[httpx.Response | Exception]:
    return [
        item if isinstance(item, Exception) else httpx.Response(item, headers=headers if item != 200 else {})
        for item in statuses
    ]


# (what the server does, final status, attempts)
TABLE = [
    ([200], 200, 1),
    ([404], 404, 1),
    ([401], 401, 1),
    ([422], 422, 1),
    ([302], 302, 1),
    ([501], 501, 1),
    ([429, 200], 200, 2),
    ([408, 200], 200, 2),
    ([500, 502, 503, 504, 200], 200, 5),
    ([503, 503, 503, 503, 503, 200], 200, 6),
    ([503, 503, 503, 503, 503, 503, 200], 503, 6),
    ([500, 404], 404, 2),
    ([httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), 200], 200, 3),
    ([503, httpx.ReadError("reset"), httpx.RemoteProtocolError("cut"), 500, httpx.ConnectError("down"), 200], 200, 6),
]  # fmt: skip


@pytest.mark.parametrize(("script", "status", "attempts"), TABLE)
def test_a_call_is_repeated_as_the_table_says(
    portal: respx.MockRouter, slept: list[float], script: list[Any], status: int, attempts: int
) -> None:
    route = portal.get(PATH).mock(side_effect=answers(*script))
    answer, opened = run(get)
    assert (answer.status, route.call_count) == (status, attempts)
    assert (opened.stats.requests, opened.stats.retries, len(slept)) == (attempts, attempts - 1, attempts - 1)
    for number, pause in enumerate(slept):
        assert 0 <= pause <= 0.5 * 2**number


@pytest.mark.parametrize("seconds", [1, 7, 299, 300])
def test_retry_after_seconds_are_never_undercut(portal: respx.MockRouter, slept: list[float], seconds: int) -> None:
    headers = {"retry-after": str(seconds)}
    portal.get(PATH).mock(side_effect=answers(429, 503, 200, **headers))
    assert run(get)[0].status == 200
    # The gate holds every other call of the host back as well; the clock stands still here, so it shows once more.
    assert [pause for pause in slept if pause >= seconds] == [seconds, seconds] or min(slept) >= seconds - 0.1
    assert len(slept) in {2, 4}


def test_a_retry_after_date_is_never_undercut(portal: respx.MockRouter, slept: list[float]) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=60)
    headers = {"retry-after": format_datetime(moment, usegmt=True)}
    portal.get(PATH).mock(side_effect=answers(429, 200, **headers))
    assert run(get)[0].status == 200
    assert 55 < slept[0] <= 60


@pytest.mark.parametrize("seconds", ["301", "86400"])
def test_a_pause_too_long_ends_the_call_at_once_with_the_answer(
    portal: respx.MockRouter, slept: list[float], seconds: str
) -> None:
    headers = {"retry-after": seconds}
    route = portal.get(PATH).mock(side_effect=answers(429, **headers))
    answer, _ = run(get)
    assert (answer.status, answer.retry_after, route.call_count, slept) == (429, float(seconds), 1, [])


def test_the_first_contact_gives_up_after_three_attempts(portal: respx.MockRouter, slept: list[float]) -> None:
    route = portal.get(PATH).mock(side_effect=httpx.ConnectError("connection refused"))
    with pytest.raises(UnreachableError) as failure:
        run(get)
    assert (route.call_count, len(slept)) == (3, 2)
    message = str(failure.value)
    assert "LEARNSYNC_ABSORB__BASE_URL" in message
    assert URL in message
    assert "connection refused" in message
    assert failure.value.exit_code == 2


def test_a_host_that_has_answered_before_gets_six_attempts(portal: respx.MockRouter, slept: list[float]) -> None:
    route = portal.get(PATH).mock(side_effect=[httpx.Response(200), *[httpx.ConnectTimeout("late")] * 9])

    async def twice(opened: HttpSession) -> None:
        await get(opened)
        with pytest.raises(UnreachableError, match="in 6 attempts"):
            await get(opened)

    run(twice)
    assert route.call_count == 7


def test_a_body_that_cannot_be_decoded_counts_as_no_answer(portal: respx.MockRouter, slept: list[float]) -> None:
    garbled = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"this is not gzip"))
    route = portal.get(PATH).mock(side_effect=[garbled, httpx.Response(200, content=b"fine")])
    answer, _ = run(get)
    assert (answer.body, route.call_count) == (b"fine", 2)


def test_what_was_spent_is_counted(portal: respx.MockRouter, slept: list[float]) -> None:
    portal.get(PATH).mock(
        side_effect=[httpx.Response(503, content=b"12345"), httpx.Response(200, content=b"1234567")] * 2
    )

    async def twice(opened: HttpSession) -> None:
        await get(opened)
        await get(opened)

    stats = run(twice)[1].stats
    assert (stats.requests, stats.retries) == (4, 2)


def test_a_call_sends_what_it_was_given(portal: respx.MockRouter) -> None:
    route = portal.post(PATH).mock(return_value=httpx.Response(200, content=b'{"ok": [1]}', headers={"X-Seen": "yes"}))
    answer, _ = run(lambda opened: opened.call("POST", PATH, params={"a": 1}, json={"é": None}, headers={"x-own": "1"}))
    sent = route.calls.last.request
    assert (sent.url.query, sent.headers["content-type"], sent.headers["x-own"]) == (b"a=1", "application/json", "1")
    assert sent.headers["user-agent"].startswith("learnsync/")
    assert (answer.json(), answer.headers["x-seen"], answer.ok) == ({"ok": [1]}, "yes", True)


def test_redirects_are_not_followed(portal: respx.MockRouter) -> None:
    portal.get(PATH).mock(return_value=httpx.Response(302, headers={"location": "https://elsewhere.example/"}))
    answer, _ = run(get)
    assert (answer.status, answer.ok) == (302, False)


def test_no_secret_reaches_logs_messages_or_the_text_of_an_answer(
    portal: respx.MockRouter, slept: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    redact.register(SECRET)
    redact.install("connector", "connector.http.session")
    body = f'{{"message": "token {SECRET} is bad", "password": "unregistered"}}'
    portal.post(PATH).mock(
        side_effect=[httpx.Response(503), httpx.ReadError(f"reset {SECRET}"), httpx.Response(400, text=body)]
    )

    async def act(opened: HttpSession) -> Answer:
        return await opened.call("POST", PATH, json={"password": SECRET}, headers={"authorization": f"Bearer {SECRET}"})

    with caplog.at_level(logging.DEBUG, "connector.http.session"):
        answer, _ = run(act)
    assert answer.status == 400
    assert SECRET not in answer.text
    assert "unregistered" not in answer.text
    assert [record for record in caplog.records if record.name == "connector.http.session"]
    assert SECRET not in caplog.text


def test_the_message_of_an_unreachable_host_has_no_secret(portal: respx.MockRouter, slept: list[float]) -> None:
    redact.register(SECRET)
    portal.get(PATH).mock(side_effect=httpx.ConnectError(f"no route to {SECRET}"))
    with pytest.raises(UnreachableError) as failure:
        run(get)
    assert SECRET not in str(failure.value)


@pytest.mark.parametrize("place", range(460, 501, 8))
def test_a_secret_across_the_end_of_a_shortened_text_is_masked_too(place: int) -> None:
    redact.register(SECRET)
    body = (" " * place + SECRET + "tail").encode()
    assert SECRET[:8] not in Answer("GET", PATH, 400, {}, body).text


def test_a_body_that_is_no_json_says_so() -> None:
    with pytest.raises(ValueError):
        Answer("GET", PATH, 200, {}, b"<html>").json()
