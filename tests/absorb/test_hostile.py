"""Hostile portals: every fault ends recovered, or in one clear message, and no row is lost either way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from hostile import (
    DENIED,
    HTML,
    KEY_REFUSED,
    MISLEADING,
    ROLE_REFUSED,
    SEMANTIC,
    Call,
    Fault,
    Row,
    Script,
    Stage,
    altered,
    always,
    doubled,
    late,
    quiet,
    reply,
    reset,
    times,
    truncated,
)
from support import first, query
from test_pull import assert_truth, held

from connector.absorb import client
from connector.absorb.login import password, tokens
from connector.absorb.pull.pull import pull
from connector.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    LearnsyncError,
    PermissionDeniedError,
    ProtocolError,
    ServerFaultError,
    ThrottledError,
    UnreachableError,
    WrongPathError,
)
from connector.http import retry
from connector.http.ratelimit import Gate
from connector.sandbox.portal import Portal
from connector.sandbox.portal.generator import generate
from connector.settings import Settings
from connector.warehouse.database import Warehouse

PAGE_SIZE = 10


@pytest.fixture
def stage(serving: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Five courses, 60 enrollments; own pauses are short, those that a server asks for are kept."""
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.002)
    monkeypatch.setattr(tokens, "STRAY_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(client, "GARBLED_PAUSE_SECONDS", 0.01)
    portal = Portal()
    generate(portal, scale=60, courses=5, now=datetime.now(UTC) - timedelta(hours=3))
    serving.show(portal)
    return serving


@pytest.fixture
def settings(stage: Stage, tmp_path: Path) -> Settings:
    return stage.settings(tmp_path / "warehouse.duckdb", page_size=PAGE_SIZE)


def logins(stage: Stage) -> int:
    return len([call for call in stage.of("login") if call.status == 200])


def scripts(*several: Script) -> Script:
    """The first script that has something to say."""
    return lambda call: next((fault for script in several if (fault := script(call))), None)


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def more(count: int) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        document["totalItems"] += count

    return change


def without_total(document: dict[str, Any]) -> None:
    del document["totalItems"]


def stale_twin(document: dict[str, Any]) -> None:
    """The first row a second time, before itself and older."""
    rows = document["enrollments"]
    if rows:
        rows.insert(0, rows[0] | {"progress": 1.5, "dateEdited": "2001-01-01T00:00:00"})


def capped(document: dict[str, Any]) -> None:
    """The portal serves no more than five rows a page, and says so."""
    document["limit"] = 5
    del document["enrollments"][5:]


def upper(document: dict[str, Any]) -> None:
    for row in document["enrollments"]:
        for name in ("id", "courseId", "userId"):
            row[name] = row[name].upper()


def titled(document: dict[str, Any]) -> None:
    for row in document["enrollments"]:
        row["name"] = row.pop("courseName")


def unknown_and_missing(document: dict[str, Any]) -> None:
    for number, row in enumerate(document["enrollments"]):
        row["aiSummary"] = {"words": number}
        if row["avatar"] is None:
            del row["avatar"]


# -- recovered -------------------------------------------------------------------------------------------

RECOVERED: dict[str, Callable[[], Script]] = {
    "429 without a hint": lambda: times(3, reply(429)),
    "429 with nonsense for a hint": lambda: times(2, reply(429, retry_after="soon")),
    "503 with nothing": lambda: times(1, reply(503, "")),
    "a burst of 5xx": lambda: times(5, reply(500), reply(502), reply(503), reply(504)),
    "502 with an HTML page": lambda: times(3, reply(502, HTML)),
    "200 with an HTML page": lambda: times(1, reply(200, HTML)),
    "200 with half a document": lambda: times(1, reply(200, '{"totalItems": 3, "enrollments": [{"id":')),
    "200 with nothing": lambda: times(2, reply(200, "")),
    "200 with null": lambda: times(1, reply(200, "null")),
    "connections reset": lambda: times(4, reset),
    "bodies cut short": lambda: times(4, truncated),
    "slow answers": lambda: times(6, late(0.3)),
    "all at once": lambda: times(
        12, reset, reply(503), truncated, reply(429), reply(200, HTML), reply(401, DENIED), late(0.05)
    ),
    "login answered 503 first": lambda: times(2, reply(503), kind="login"),
    "login answered 429 first": lambda: times(2, reply(429, retry_after="1"), kind="login"),
    "users answered 503 first": lambda: times(3, reply(503), kind="users"),
}  # fmt: skip

# What the list itself looks like, on every page of it.
ODD_LISTS: dict[str, Callable[[], Script]] = {
    "every row twice, and counted twice": lambda: always(doubled(counted=True)),
    "every row twice, but counted once": lambda: always(doubled(counted=False)),
    "totals too large by one": lambda: always(altered(more(1))),
    "totals too small by one": lambda: always(altered(more(-1))),
    "totals too large now and then": lambda: times(3, altered(more(7)), altered(more(0))),
    "totals too small now and then": lambda: times(3, altered(more(-7)), altered(more(0))),
    "no totals": lambda: always(altered(without_total)),
    "pages smaller than asked for": lambda: always(altered(capped)),
    "upper-case ids": lambda: always(altered(upper)),
    "name instead of courseName": lambda: always(altered(titled)),
    "unknown and missing fields": lambda: always(altered(unknown_and_missing)),
}


@pytest.mark.parametrize("script", first(9, RECOVERED))
def test_recovered(stage: Stage, settings: Settings, script: Callable[[], Script]) -> None:
    stage.script = script()
    report = pull(settings, "first")
    assert {name: stream.failures for name, stream in report.streams.items() if stream.failures} == {}
    assert report.complete
    assert_truth(settings, stage)
    assert logins(stage) == 1


@pytest.mark.parametrize("script", first(5, ODD_LISTS))
def test_an_odd_list_is_read_whole_again_and_again(
    stage: Stage, settings: Settings, script: Callable[[], Script]
) -> None:
    stage.script = script()
    assert pull(settings, "first").complete
    assert_truth(settings, stage)
    # And from there on: what changes next is found.
    stage.portal.edit(4)
    stage.portal.insert(2)
    assert pull(settings, "second").complete
    assert_truth(settings, stage)
    assert logins(stage) == 1


@pytest.mark.parametrize("faults", ["unsorted", "nosort", "shuffled"])
def test_a_portal_that_cannot_sort_is_read_all_the_same(stage: Stage, tmp_path: Path, faults: str) -> None:
    stage.show(stage.portal, times(6, reply(503), reset), faults=faults)
    found = stage.settings(tmp_path / "warehouse.duckdb", page_size=PAGE_SIZE)
    assert pull(found, "first").complete
    assert_truth(found, stage)


def test_the_later_of_two_versions_of_a_row_counts(stage: Stage, settings: Settings) -> None:
    stage.script = always(altered(stale_twin))
    pull(settings, "first")
    assert_truth(settings, stage)


def test_totals_that_change_because_rows_come_and_go_lose_no_row(stage: Stage, settings: Settings) -> None:
    chance = random.Random(7)
    ends = time.monotonic() + 3

    def script(call: Call) -> Fault | None:
        if call.kind == "enrollments" and time.monotonic() < ends:
            chance.choice(
                (lambda: stage.portal.insert(1), lambda: stage.portal.edit(3), lambda: stage.portal.delete(1))
            )()
        return None

    stage.script = script
    pull(settings, "first")
    stage.script = quiet
    assert pull(settings, "second").complete
    rows = held(settings, "enrollments")
    for row in stage.portal.rows("enrollments"):
        assert rows[row["id"].lower()]["progress"] == row["progress"]
        assert rows[row["id"].lower()]["status"] == row["status"]


ODD_ROWS: dict[str, Row] = {
    **{
        f"date with {digits} fractional digits{zone and ' and '}{zone}": {
            "dateCompleted": f"2026-02-03T04:05:06{'.' if digits else ''}{'1234567'[:digits]}{zone}"
        }
        for digits in range(8)
        for zone in ("", "Z", "+05:30", "-0800")
    },
    "a day": {"dateDue": "2026-06-30"},
    "time of days": {"timeSpent": "1.13:02:39.9878697"},
    "time of none": {"timeSpent": "00:00:00.0000000"},
    "upper-case user": {"userId": "AAAAAAAA-0000-4000-8000-00000000000A"},
    "nulls": dict.fromkeys(("score", "progress", "jobTitle", "timeSpent", "dateStarted", "courseName")),
}


def test_every_spelling_of_a_value_arrives_as_the_same_value(stage: Stage, settings: Settings) -> None:
    rows = stage.portal.rows("enrollments")
    for row, odd in zip(rows, ODD_ROWS.values(), strict=False):
        stage.portal.put_row("enrollments", row | odd)
    assert len(rows) >= len(ODD_ROWS)
    assert pull(settings, "first").complete
    assert_truth(settings, stage)


def test_a_deleted_course_is_no_failure(stage: Stage, settings: Settings) -> None:
    course = stage.portal.courses()[0]["id"]
    stage.script = lambda call: reply(404) if course.lower() in call.path else None
    report = pull(settings, "first")
    assert report.complete
    assert report.streams["enrollments"].tombstones == [course.lower()]


# -- Retry-After -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("hint", [lambda: "1", lambda: "1.5", lambda: in_seconds(2.0)], ids=["1", "1.5", "date"])
def test_no_call_is_repeated_before_retry_after(
    stage: Stage, settings: Settings, status: int, hint: Callable[[], str]
) -> None:
    asked: list[str] = []

    def script(call: Call) -> Fault | None:
        if call.kind == "enrollments" and len(asked) < 2:
            asked.append(hint())
            return reply(status, retry_after=asked[-1])
        return None

    stage.script = script
    assert pull(settings, "first").complete
    assert_truth(settings, stage)
    waits = []
    for number, call in enumerate(stage.calls):
        if call.status == status:
            again = next(later for later in stage.calls[number + 1 :] if later.request == call.request)
            waits.append(again.at - call.answered)
    # A date has whole seconds: of two seconds ahead, at least one is left.
    assert len(waits) == 2
    least = 0.9 if "GMT" in asked[0] else float(asked[0])
    assert min(waits) >= least


def test_when_one_call_is_throttled_all_others_stay_away_too(stage: Stage, tmp_path: Path) -> None:
    found = stage.settings(tmp_path / "warehouse.duckdb", page_size=PAGE_SIZE, concurrency=1)
    stage.script = times(1, reply(429, retry_after="1"))
    assert pull(found, "first").complete
    (throttled,) = [call for call in stage.calls if call.status == 429]
    assert min(call.at for call in stage.calls if call.at > throttled.at) - throttled.answered >= 1


# -- tokens ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expiries", [1, 2, 3])
def test_a_token_that_expires_mid_run_is_replaced_once_each_time(stage: Stage, tmp_path: Path, expiries: int) -> None:
    clock = [0.0]
    stage.show(stage.portal, quiet, token_seconds=14_400, clock=lambda: clock[0])
    found = stage.settings(tmp_path / "warehouse.duckdb", page_size=2, concurrency=4)
    read, left = 0, expiries

    def script(call: Call) -> Fault | None:
        nonlocal read, left
        # Not before the token that replaced the last one is in use.
        read += call.kind == "enrollments" and logins(stage) == 1 + expiries - left
        if left and read >= 10:
            read, left = 0, left - 1
            clock[0] += 14_401
        return late(0.01)

    stage.script = script
    assert pull(found, "first").complete
    assert_truth(found, stage)
    assert left == 0
    assert logins(stage) == 1 + expiries


@pytest.mark.parametrize("strays", [1, 3])
def test_stray_refusals_of_a_fresh_token_cost_no_login(stage: Stage, settings: Settings, strays: int) -> None:
    stage.script = scripts(times(strays, reply(401, DENIED), kind="departments"), times(strays, reply(401, DENIED)))
    assert pull(settings, "first").complete
    assert_truth(settings, stage)
    assert logins(stage) == 1


def test_a_token_revoked_once_by_another_login_is_replaced_once(stage: Stage, settings: Settings) -> None:
    stage.script = times(1, revoking(stage))
    assert pull(settings, "first").complete
    assert_truth(settings, stage)
    assert logins(stage) == 2  # ours and ours again; the other client's login is not one of ours


def revoking(stage: Stage) -> Fault:
    """Another client logs in just before this call is looked at."""

    async def fault(app: Any, scope: Any, receive: Any, send: Any) -> None:
        await revoke(stage)
        await app(scope, receive, send)

    return fault


async def revoke(stage: Stage) -> None:
    """Log in past the server, so that the login is none of the calls that are counted."""
    wanted = stage.absorb
    body = {"username": wanted.username, "password": wanted.password, "privateKey": wanted.api_key}
    transport = httpx.ASGITransport(app=stage.app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://portal") as other:
        answer = await other.post("/authenticate", json=body, headers={"x-api-key": wanted.api_key})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("every", "words"), [(6, "another client logs in with the same account"), (1, "no other client uses")]
)
def test_another_client_that_keeps_logging_in_is_named_and_no_row_is_lost(
    stage: Stage, tmp_path: Path, every: int, words: str
) -> None:
    found = stage.settings(tmp_path / "warehouse.duckdb", page_size=3, concurrency=1)
    stage.script = lambda call: (
        revoking(stage) if call.kind == "enrollments" and not len(stage.of("enrollments")) % every else None
    )
    with pytest.raises(AuthenticationError) as failure:
        pull(found, "first")
    message = str(failure.value)
    assert words in message
    assert "LEARNSYNC_ABSORB__USERNAME" in message
    assert failure.value.exit_code == 2
    assert logins(stage) <= tokens.BURST_RENEWALS
    recovers(stage, found)


# -- one clear message -----------------------------------------------------------------------------------


def recovers(stage: Stage, settings: Settings) -> None:
    """Once the fault is gone, the next run (a new process) ends with the truth."""
    stage.script = quiet
    password._accounts.clear()
    assert pull(settings, "next").complete
    assert_truth(settings, stage)


Named = tuple[Script, type[LearnsyncError], tuple[str, ...], tuple[str, ...]]
KEY, ROLE, URL = "LEARNSYNC_ABSORB__API_KEY", "role", "LEARNSYNC_ABSORB__BASE_URL"
# What every list of a kind meets → the error that ends the run, words it must have, words it must not have.
ENDS: dict[str, Named] = {
    "key refused at login": (always(reply(403, KEY_REFUSED), "login"), PermissionDeniedError, (KEY,), (ROLE, URL)),
    "key refused later": (always(reply(403, KEY_REFUSED)), PermissionDeniedError, (KEY,), (ROLE, URL)),
    "role refused users": (always(reply(403, ROLE_REFUSED), "users"), PermissionDeniedError, (ROLE,), (KEY, URL)),
    "wrong path at login": (always(reply(403, MISLEADING), "login"), WrongPathError, (URL,), (KEY, ROLE)),
    "wrong path later": (always(reply(403, MISLEADING), "users"), WrongPathError, (URL,), (KEY, ROLE)),
    "moved": (always(reply(302, "", location="https://x.example/"), "users"), WrongPathError, (URL,), (KEY,)),
    "users not there": (always(reply(404), "users"), LearnsyncError, ("/users",), (KEY,)),
    "users refuse the query": (always(reply(422, SEMANTIC), "users"), BadRequestError, ("422", "/users"), (KEY,)),
    "users always 503": (always(reply(503), "users"), ServerFaultError, ("503", "/users"), (KEY, ROLE)),
    "users always HTML": (always(reply(200, HTML), "users"), ProtocolError, ("not a page", URL), (KEY,)),
    "users always reset": (always(reset, "users"), UnreachableError, (URL, "no answer"), (KEY, ROLE)),
    "users always cut": (always(truncated, "users"), UnreachableError, (URL, "no answer"), (KEY, ROLE)),
    "throttled for ever": (always(reply(429), "users"), ThrottledError, ("REQUESTS_PER_SECOND",), (KEY, ROLE)),
    "told to come back in an hour": (
        always(reply(429, retry_after="3600"), "users"), ThrottledError, ("3600 s",), (KEY, ROLE),
    ),
    "login answered HTML": (always(reply(200, HTML), "login"), AuthenticationError, (URL,), (KEY, ROLE)),
    "token never accepted": (
        always(reply(401, DENIED), "users"), AuthenticationError, ("LEARNSYNC_ABSORB__USERNAME",), (KEY, URL),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("script", "kind", "words", "others"), first(9, ENDS))
def test_one_clear_message(
    stage: Stage, settings: Settings, script: Script, kind: type[LearnsyncError], words: Any, others: Any
) -> None:
    stage.script = script
    with pytest.raises(kind) as failure:
        pull(settings, "first")
    message = str(failure.value)
    for word in words:
        assert word in message
    for word in others:
        assert word not in message
    assert failure.value.exit_code in {1, 2}
    for secret in (stage.absorb.api_key, stage.absorb.password):
        assert secret not in message
    # Another client may end three tokens, used or not, before that is an error.
    assert logins(stage) <= (4 if kind is AuthenticationError else 2)
    recovers(stage, settings)


def test_a_pause_too_long_for_a_run_is_not_tried_again(stage: Stage, settings: Settings) -> None:
    stage.script = always(reply(429, retry_after="3600"), "users")
    with pytest.raises(ThrottledError) as failure:
        pull(settings, "first")
    assert failure.value.exit_code == 1
    assert len(stage.of("users")) == 1


# What one course meets → words of its failure. All other courses load, and the run ends incomplete.
ONE_COURSE: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "role": (reply(403, ROLE_REFUSED), ("role may not", "LEARNSYNC_ABSORB__USERNAME")),
    "wrong path": (reply(403, MISLEADING), ("does not know the path", URL)),
    "422": (reply(422, SEMANTIC), ("422", "semantic errors")),
    "400": (reply(400), ("400",)),
    "503": (reply(503), ("kept failing", "503")),
    "504 HTML": (reply(504, HTML), ("kept failing", "LEARNSYNC_ABSORB__PAGE_SIZE")),
    "HTML": (reply(200, HTML), ("not a page", URL)),
    "no list": (reply(200, '{"totalItems": 3}'), ("not a page", "enrollments")),
}


@pytest.mark.parametrize(("fault", "words"), first(4, ONE_COURSE))
def test_one_bad_course_fails_alone(stage: Stage, settings: Settings, fault: Fault, words: tuple[str, ...]) -> None:
    rows = stage.portal.rows("enrollments")
    bad = rows[0]["courseId"].lower()
    stage.script = lambda call: fault if bad in call.path else None
    report = pull(settings, "first")
    assert not report.complete
    assert list(report.streams["enrollments"].failures) == [bad]
    for word in words:
        assert word in report.streams["enrollments"].failures[bad]
    assert {*held(settings, "enrollments")} == {row["id"].lower() for row in rows if row["courseId"].lower() != bad}
    assert logins(stage) == 1
    recovers(stage, settings)


@pytest.mark.parametrize("name", ["role", "wrong path", "422", "503", "HTML"])
def test_what_every_course_meets_is_told_once(stage: Stage, settings: Settings, name: str) -> None:
    fault, words = ONE_COURSE[name]
    stage.script = always(fault)
    with pytest.raises(ApiError) as failure:
        pull(settings, "first")
    for word in words:
        assert word in str(failure.value)
    recovers(stage, settings)


def test_rows_of_a_run_that_broke_off_stay(stage: Stage, settings: Settings) -> None:
    assert pull(settings, "first").complete
    before = query(Warehouse.of(settings), "SELECT id, date_edited FROM absorb.enrollments ORDER BY id")
    stage.portal.edit(10)
    stage.script = scripts(times(2, reply(200, HTML), kind="departments"), always(reset, "enrollments"))
    with pytest.raises(UnreachableError):
        pull(settings, "second")
    after = query(Warehouse.of(settings), "SELECT id, date_edited FROM absorb.enrollments ORDER BY id")
    assert [row_id for row_id, _ in after] == [row_id for row_id, _ in before]
    recovers(stage, settings)


# -- the limiter -----------------------------------------------------------------------------------------


def test_the_rate_backs_off_when_throttled_and_comes_back(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates: list[Gate] = []
    rates: list[float] = []

    class Watched(Gate):
        def __init__(self, *values: Any) -> None:
            super().__init__(*values)
            gates.append(self)

        def note(self, status: int, retry_after: float | None) -> None:
            super().note(status, retry_after)
            rates.append(self._bucket.rate)

    monkeypatch.setattr(client, "Gate", Watched)
    stage.script = times(1, reply(429))
    found = stage.settings(tmp_path / "warehouse.duckdb", page_size=2, requests_per_second=400, burst=50)
    assert pull(found, "first").complete
    assert_truth(found, stage)
    assert len(gates) == 1
    lowest = rates.index(min(rates))
    assert rates[lowest] == 200
    assert rates[:lowest] == [400.0] * lowest
    assert all(later >= earlier for earlier, later in pairwise(rates[lowest:]))
    assert rates[-1] == 400


def test_a_portal_with_a_real_rate_limit_is_read_whole_at_its_pace(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.2)
    stage.show(stage.portal, quiet, requests_per_second=5, burst=4)  # less than a busy machine asks for
    found = stage.settings(tmp_path / "warehouse.duckdb", page_size=30, concurrency=16)
    assert pull(found, "first").complete
    assert_truth(found, stage)
    throttled = [call for call in stage.calls if call.status == 429]
    assert throttled
    assert logins(stage) == 1


def test_a_course_whose_answer_is_too_large_fails_alone_and_is_read_when_it_fits(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = stage.portal.rows("enrollments")
    bad = rows[0]["courseId"].lower()
    monkeypatch.setenv("LEARNSYNC_LIMITS__ANSWER_MEGABYTES", "0.2")
    settings = stage.settings(tmp_path / "warehouse.duckdb", page_size=PAGE_SIZE)
    huge = reply(200, '{"enrollments": [' + '"x", ' * 60_000 + '"x"]}')
    stage.script = lambda call: huge if bad in call.path else None
    report = pull(settings, "first")
    assert not report.complete
    assert list(report.streams["enrollments"].failures) == [bad]
    for word in ("more than 0.2 MB", "LEARNSYNC_LIMITS__ANSWER_MEGABYTES", URL):
        assert word in report.streams["enrollments"].failures[bad]
    assert {*held(settings, "enrollments")} == {row["id"].lower() for row in rows if row["courseId"].lower() != bad}
    recovers(stage, settings)


def test_a_token_that_no_header_can_carry_is_told_apart_from_a_portal(stage: Stage, settings: Settings) -> None:
    stage.script = always(reply(200, '"clé"'), kind="login")
    with pytest.raises(AuthenticationError, match="did not answer with a token"):
        pull(settings, "first")
