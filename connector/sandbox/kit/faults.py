"""Faults on purpose: one readable table of profiles, and the middleware that plays them.

Faults are repeatable (seeded) and bounded: the same request fails at most twice in a row, so that a
client with sane retries always gets through.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.sandbox.portal.errors import json_response


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
    "malformed": Profile("some enrollments carry broken ids, dates or gaps", malformed_rows=True),
}
_MOST_IN_A_ROW = 2


class FaultMiddleware:
    """The outermost layer: decides per request whether it is answered, and how badly."""

    def __init__(self, app: ASGIApp, profile: Profile, seed: int) -> None:
        self._app = app
        self._profile = profile
        self._random = random.Random(seed)  # noqa: S311 - repeatable choices, not secrets
        self._in_a_row: Counter[tuple[str, str, bytes]] = Counter()
        self._met = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox"):
            await self._app(scope, receive, send)
            return
        if self._profile.delay_seconds:
            await asyncio.sleep(self._profile.delay_seconds)
        fault = self._choose(scope)
        if fault is None:
            await self._app(scope, receive, send)
        elif fault in _BREAKS:
            await _BREAKS[fault](self._app, scope, receive, send)
        else:
            await _answer(fault)(scope, receive, send)

    def _choose(self, scope: Scope) -> str | None:
        """The next fault of the table in turn, unless this request has already failed enough."""
        request = (scope["method"], scope["path"], scope["query_string"])
        if self._random.random() >= self._profile.share or self._in_a_row[request] >= _MOST_IN_A_ROW:
            self._in_a_row.pop(request, None)
            return None
        self._in_a_row[request] += 1
        self._met += 1
        return self._profile.faults[self._met % len(self._profile.faults)]


def _answer(fault: str) -> Response:
    """A refusal in place of the answer."""
    if fault == "502-html":
        return HTMLResponse("<html><body><h1>502 Bad Gateway</h1></body></html>", status_code=502)
    status, _, hint = fault.partition("-")
    texts = {"429": "Too Many Requests", "500": "Internal server error", "502": "Bad Gateway"}
    response = json_response({"message": texts.get(status, "Service Unavailable")}, int(status))
    if hint == "seconds":
        response.headers["Retry-After"] = "1"
    elif hint == "date":
        response.headers["Retry-After"] = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    return response


async def _reset(_app: ASGIApp, _scope: Scope, receive: Receive, send: Send) -> None:
    """Reset the connection without an answer; the call itself is never made."""
    await reset_connection(receive, send)


async def reset_connection(receive: Receive, send: Send) -> None:
    """End the connection so that the client sees a reset."""
    transport = _transport(send)
    connection = transport.get_extra_info("socket")
    # Lingering for zero seconds turns the close into a reset.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


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
    """Wait until the server knows of the disconnect, else it would answer 500 or complain."""
    while (await receive())["type"] != "http.disconnect":
        continue


_BREAKS: dict[str, Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]] = {
    "reset": _reset,
    "truncated": _truncate,
}
