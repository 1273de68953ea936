"""Faults on purpose: what goes wrong under which name, which call or record meets a fault, and how it is played.

Faults are repeatable (seeded). Those of a profile are bounded: the same request fails at most twice in a row, so that
a client with sane retries always gets through.
"""

import asyncio
import random
import socket
import struct
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.sandbox.kit.routes import json_response


@dataclass(frozen=True)
class Profile:
    """What goes wrong under one name."""

    about: str
    faults: tuple[str, ...] = ()
    share: float = 0.0  # of requests that meet a fault
    delay_seconds: float = 0.0
    stray_401: int = 0  # calls refused after each minting although the token is valid
    token_seconds: float | None = None
    ignore_sort: bool = False
    refuse_sort: bool = False
    shuffle_ties: bool = False
    refuse_modified_since: bool = False
    refuse_date_filter: bool = False  # of dateEdited
    malformed_rows: bool = False


_FLAKY = ("429-seconds", "429-date", "429-bare", "500", "502", "503", "502-html", "reset", "truncated")
PROFILES: dict[str, Profile] = {
    "none": Profile("nothing goes wrong"),
    "flaky": Profile("throttling, server errors, resets and cut bodies", faults=_FLAKY, share=0.15),
    "slow": Profile("every answer takes a while", delay_seconds=0.25),
    "stray401": Profile("a fresh token is refused for its first calls", stray_401=2),
    "expiring": Profile("tokens live for seconds", token_seconds=3.0),
    "unsorted": Profile("_sort is ignored", ignore_sort=True),
    "nosort": Profile("_sort is answered 422", refuse_sort=True),
    "shuffled": Profile("rows with equal sort values change places between requests", shuffle_ties=True),
    "nosince": Profile("modifiedSince is answered 422", refuse_modified_since=True),
    "nodatefilter": Profile("a filter by dateEdited is answered 422", refuse_date_filter=True),
    "nodates": Profile("both are answered 422", refuse_modified_since=True, refuse_date_filter=True),
    "malformed": Profile("some enrollments carry broken ids, dates or gaps", malformed_rows=True),
}
# Faults of single writes, for calls that must not be made twice: "lost" carries the call out and resets the
# connection, "503-after" carries it out and answers 503, a bare status refuses it, "served" lets it pass so that a
# later one meets its fault.
WRITE_FAULTS = ("lost", "503-after", "429", "503", "302", "408", "422", "served")
_MOST_IN_A_ROW = 2
_RETRY_AFTER: dict[str, Callable[[], str]] = {
    "429": lambda: "0",
    "429-seconds": lambda: "1",
    "429-date": lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True),
}


class Faults:
    """Which fault comes next: a queued one first, else one by chance."""

    def __init__(self, known: Collection[str] | None = None) -> None:
        self.met = 0
        self._known = known
        self._queue: deque[str] = deque()
        self._kinds: tuple[str, ...] = ()
        self._share = 0.0
        self._random = random.Random(0)  # noqa: S311 - repeatable choices, not secrets
        self._in_a_row: Counter[Hashable] = Counter()

    def queue(self, kinds: Iterable[str]) -> None:
        """Let the next calls or records meet these faults, one each. Raises ValueError for an unknown one."""
        kinds = list(kinds)
        unknown = sorted(set(kinds) - set(self._known)) if self._known is not None else []
        if unknown:
            raise ValueError(f"unknown fault {unknown[0]!r}: expected one of {', '.join(self._known or ())}")
        self._queue.extend(kinds)

    def share(self, share: float, kinds: Iterable[str], seed: int) -> None:
        """From now on this share meets a fault, each by chance, the kinds taken in turn."""
        self._share, self._kinds = share, tuple(kinds)
        self._random = random.Random(seed)  # noqa: S311

    def clear(self) -> None:
        """Forget what is queued."""
        self._queue.clear()

    def next(self, subject: Hashable = None) -> str | None:
        """The fault that this one meets, or None. What has a `subject` fails by chance twice in a row at most."""
        if self._queue:
            kind = self._queue.popleft()
            self.met += kind != "served"
            return None if kind == "served" else kind
        failed_enough = subject is not None and self._in_a_row[subject] >= _MOST_IN_A_ROW
        if self._random.random() >= self._share or failed_enough:
            self._in_a_row.pop(subject, None)
            return None
        if subject is not None:
            self._in_a_row[subject] += 1
        self.met += 1
        return self._kinds[self.met % len(self._kinds)]


@dataclass
class FaultMiddleware:
    """The outermost layer: decides per request whether it is answered, and how badly."""

    app: ASGIApp
    faults: Faults
    concerns: Callable[[Scope], bool]
    body: Callable[[int], Any]  # of a refusal, by its status
    delay_seconds: float = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self.concerns(scope):
            await self.app(scope, receive, send)
            return
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        fault = self.faults.next((scope["method"], scope["path"], scope["query_string"]))
        if fault is None:
            await self.app(scope, receive, send)
        elif fault in BREAKS:
            await BREAKS[fault](self.app, scope, receive, send)
        else:
            if fault.endswith("-after"):
                await self.app(scope, receive, _swallow)
            await _refusal(fault, self.body)(scope, receive, send)


def by_profile(app: ASGIApp, profile: Profile, seed: int) -> FaultMiddleware:
    """The app under a profile; the control endpoints stay unharmed."""
    faults = Faults()
    faults.share(profile.share, profile.faults, seed)
    return FaultMiddleware(
        app, faults, lambda scope: not scope["path"].startswith("/_sandbox"), _gateway_body, profile.delay_seconds
    )


def by_queue(app: ASGIApp, part: str) -> tuple[FaultMiddleware, Faults]:
    """The app, with a queue of faults that the writes to paths with this part meet."""
    faults = Faults(WRITE_FAULTS)

    def concerns(scope: Scope) -> bool:
        return scope["method"] in {"POST", "PATCH"} and part in scope["path"]

    return FaultMiddleware(app, faults, concerns, _write_body), faults


def _gateway_body(status: int) -> Any:
    texts = {429: "Too Many Requests", 500: "Internal server error", 502: "Bad Gateway"}
    return {"message": texts.get(status, "Service Unavailable")}


def _write_body(_status: int) -> Any:
    return [{"message": "The request was refused by an injected fault", "errorCode": "SERVER_UNAVAILABLE"}]


def _refusal(fault: str, body: Callable[[int], Any]) -> Response:
    """An answer in place of the app's own."""
    status = int(fault[:3])
    if fault.endswith("-html"):
        return HTMLResponse("<html><body><h1>502 Bad Gateway</h1></body></html>", status_code=status)
    response = json_response(body(status), status)
    if fault in _RETRY_AFTER:
        response.headers["Retry-After"] = _RETRY_AFTER[fault]()
    return response


async def _swallow(_message: Message) -> None:
    """The `send` of a call whose answer is dropped."""


async def _reset(_app: ASGIApp, _scope: Scope, receive: Receive, send: Send) -> None:
    """Reset the connection without an answer; the call itself is never made."""
    transport = _transport(send)
    connection = transport.get_extra_info("socket")
    # Lingering for zero seconds turns the close into a reset.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def _lose(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Make the call, then reset the connection."""
    await app(scope, receive, _swallow)
    await _reset(app, scope, receive, send)


async def _truncate(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Make the call, then send only half of its body and hang up."""

    async def half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            message = {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True}
        await send(message)

    await app(scope, receive, half)
    _transport(send).close()
    await _gone(receive)


def _transport(send: Send) -> asyncio.Transport:
    """ASGI has no word for hanging up: the server's transport is reached through its send method."""
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    return transport


async def _gone(receive: Receive) -> None:
    """Wait for the disconnect: returning before it makes the server answer 500 or log an error."""
    while (await receive())["type"] != "http.disconnect":
        continue


BREAKS: dict[str, Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]] = {
    "lost": _lose,
    "reset": _reset,
    "truncated": _truncate,
}
