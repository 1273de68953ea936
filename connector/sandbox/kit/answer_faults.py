"""Faults of single answers, queued by name: for calls that must not be made twice, when the answer goes missing.

``lost`` carries the call out and resets the connection; ``503-after`` carries it out and answers 503; a bare status
refuses it without carrying it out; ``served`` lets a call pass, so that a later one meets its fault.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.sandbox.kit.faults import reset_connection

KINDS = ("lost", "503-after", "429", "503", "302", "408", "422", "served")
_WRITES = ("POST", "PATCH")


class AnswerFaults:
    """Wraps an app; the writes to a path with this part meet the queued faults, one each."""

    def __init__(self, app: ASGIApp, part: str) -> None:
        self._app = app
        self._part = part
        self._queue: deque[str] = deque()
        self.met = 0

    def queue(self, kinds: Iterable[str]) -> None:
        """Let the next calls meet these faults."""
        kinds = list(kinds)
        unknown = set(kinds) - set(KINDS)
        if unknown:
            raise ValueError(f"unknown fault {sorted(unknown)[0]!r}: expected one of {', '.join(KINDS)}")
        self._queue.extend(kinds)

    def clear(self) -> None:
        """Forget what is queued."""
        self._queue.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        concerned = scope["type"] == "http" and scope["method"] in _WRITES and self._part in scope["path"]
        if not concerned or not self._queue:
            await self._app(scope, receive, send)
            return
        kind = self._queue.popleft()
        if kind == "served":
            await self._app(scope, receive, send)
            return
        self.met += 1
        if kind in {"lost", "503-after"}:
            await self._app(scope, receive, _swallow)
        if kind == "lost":
            await reset_connection(receive, send)
            return
        status = int(kind[:3])
        body = [{"message": "The request was refused by an injected fault", "errorCode": "SERVER_UNAVAILABLE"}]
        headers = {"Retry-After": "0"} if status == 429 else {}
        await JSONResponse(body, status_code=status, headers=headers)(scope, receive, send)


async def _swallow(_message: Message) -> None:
    """Where an answer goes that nobody will hear."""
