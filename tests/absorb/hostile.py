"""A portal that misbehaves call by call: the sandbox's app behind a script that decides what each call meets."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from support import answered

from connector.sandbox.kit.faults import BREAKS
from connector.sandbox.portal import Portal
from connector.sandbox.portal.app import create_absorb_app
from connector.sandbox.portal.gateway import AbsorbOptions
from connector.settings import Settings, load_settings

Row = dict[str, Any]
Fault = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]

reset: Fault = BREAKS["reset"]
truncated: Fault = BREAKS["truncated"]

KEY_REFUSED = '{"message": "Forbidden"}'
ROLE_REFUSED = '{"validations": [], "code": 403, "message": "Access denied", "term": "ErrorForbidden", "_meta": {}}'
DENIED = '{"message": "Authorization has been denied for this request."}'
SEMANTIC = '{"code": 422, "message": "Submitted resource cannot be processed due to semantic errors"}'
MISLEADING = (
    "{\"message\": \"'abc' not a valid key=value pair (missing equal-sign) in Authorization header: 'Bearer abc'.\"}"
)
HTML = "<html><body><h1>We will be back soon</h1></body></html>"


@dataclass
class Call:
    """One call as the portal met it."""

    kind: str  # login, users, courses, departments or enrollments
    method: str
    path: str
    query: dict[str, str]
    at: float
    status: int = 0
    answered: float = 0.0

    @property
    def request(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """What makes two calls the same."""
        return self.method, self.path, tuple(sorted(self.query.items()))


Script = Callable[[Call], Fault | None]


def quiet(_call: Call) -> Fault | None:
    """A portal on a good day."""
    return None


def reply(status: int, body: str = '{"message": "out of order"}', **headers: str) -> Fault:
    """Answer this instead of making the call."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    media = "text/html" if body.startswith("<") else "application/json"

    async def fault(_app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await Response(body, status, headers=named, media_type=media)(scope, receive, send)

    return fault


def late(seconds: float) -> Fault:
    """Answer rightly, after a while."""

    async def fault(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(seconds)
        await app(scope, receive, send)

    return fault


def altered(change: Callable[[dict[str, Any]], None]) -> Fault:
    """Make the call and change the document it answers with."""

    def changed(body: bytes) -> bytes:
        document = json.loads(body)
        change(document)
        return json.dumps(document).encode()

    return spelled(changed)


def spelled(change: Callable[[bytes], bytes]) -> Fault:
    """Make the call and change the bytes of a success."""

    async def fault(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        head, body = await answered(app, scope, receive)
        if head["status"] == 200:
            body = change(body)
        await Response(body, head["status"], media_type="application/json")(scope, receive, send)

    return fault


def doubled(*, counted: bool) -> Fault:
    """Every row stands in the list twice, as a join makes it; the total counts the copies, or does not."""

    async def fault(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        asked = httpx.QueryParams(scope["query_string"].decode())
        limit, offset = int(asked["_limit"]), int(asked["_offset"])

        def cut(document: dict[str, Any]) -> None:
            rows = [row for row in document["enrollments"] for _ in range(2)]
            part = rows[limit * offset : limit * (offset + 1)]
            total = len(rows) if counted else document["totalItems"]
            document |= {"enrollments": part, "totalItems": total, "returnedItems": len(part)}
            document |= {"limit": limit, "offset": offset}

        whole = str(asked.set("_limit", 1000).set("_offset", 0)).encode()
        await altered(cut)(app, {**scope, "query_string": whole}, receive, send)

    return fault


def times(count: int, *faults: Fault, kind: str = "enrollments") -> Script:
    """The first `count` calls of a kind meet the faults in turn."""
    met = 0

    def script(call: Call) -> Fault | None:
        nonlocal met
        if call.kind != kind or met >= count:
            return None
        met += 1
        return faults[(met - 1) % len(faults)]

    return script


def always(fault: Fault, kind: str = "enrollments") -> Script:
    """Every call of a kind meets the fault."""
    return lambda call: fault if call.kind == kind else None


def kind_of(path: str) -> str:
    """Which list, or the login."""
    last = path.strip("/").rsplit("/", 1)[-1]
    return "login" if last == "authenticate" else last


class Hostile:
    """The outermost layer: logs every call and lets the script choose what it meets."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._stage.app
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox"):
            await app(scope, receive, send)
            return
        query = dict(httpx.QueryParams(scope["query_string"].decode()))
        call = Call(kind_of(scope["path"]), scope["method"], scope["path"], query, time.monotonic())
        self._stage.calls.append(call)
        fault = self._stage.script(call)
        noting = _Noting(call, send, self._stage.portal.now)
        if fault in (reset, truncated):
            await fault(app, scope, receive, send)  # these need the server's own send
        elif fault is not None:
            await fault(app, scope, receive, noting)
        else:
            await app(scope, receive, noting)


class _Noting:
    """`send` that notes the status, and tells the portal's own time."""

    def __init__(self, call: Call, send: Send, clock: Callable[[], datetime]) -> None:
        self._call, self._send, self._clock = call, send, clock

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._call.status = message["status"]
            date = format_datetime(self._clock().astimezone(UTC), usegmt=True).encode()
            message = {**message, "headers": [*message["headers"], (b"date", date)]}
        self._call.answered = time.monotonic()
        await self._send(message)


@dataclass
class Stage:
    """A running portal, what it holds, what it met, and what it will do next."""

    portal: Portal = field(init=False)
    absorb: AbsorbOptions = field(init=False)
    app: ASGIApp = field(init=False)
    script: Script = quiet
    calls: list[Call] = field(default_factory=list)
    url: str = ""

    def show(self, portal: Portal, script: Script = quiet, **options: Any) -> None:
        """Serve this portal from now on."""
        self.portal, self.script, self.calls = portal, script, []
        self.absorb = AbsorbOptions(**({"requests_per_second": 0} | options))
        self.app = create_absorb_app(portal, self.absorb)

    def of(self, kind: str) -> list[Call]:
        """The calls of one kind."""
        return [call for call in self.calls if call.kind == kind]

    def settings(self, path: Path, **absorb: Any) -> Settings:
        """Settings that point here and at the warehouse `path`."""
        values = {
            "base_url": self.url,
            "api_key": self.absorb.api_key,
            "username": self.absorb.username,
            "password": self.absorb.password,
            "requests_per_second": 5000,
            "burst": 5000,
        }
        return load_settings(absorb=values | absorb, warehouse={"path": path})

    def log_in_elsewhere(self) -> None:
        """Another client logs in with the same account, which kills our token."""
        wanted = self.absorb
        body = {"username": wanted.username, "password": wanted.password, "privateKey": wanted.api_key}
        answer = httpx.post(f"{self.url}/authenticate", json=body, headers={"x-api-key": wanted.api_key})
        assert answer.status_code == 200


@contextmanager
def staged(portal: Portal, script: Script = quiet, **options: Any) -> Iterator[Stage]:
    """Serve the portal on a loopback port until the block ends."""
    stage = Stage()
    stage.show(portal, script, **options)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    stage.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(Hostile(stage), log_level="error", access_log=False, lifespan="off", date_header=False)
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.002)
        yield stage
    finally:
        server.should_exit = True
        thread.join(timeout=15)
        listener.close()
