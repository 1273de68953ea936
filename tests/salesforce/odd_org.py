"""The sandbox's org behind a script that may change any of its answers."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send
from support import answered

from connector.sandbox.server import Sandbox


@dataclass
class Said:
    """An answer of the org that is about to be sent; what the script sets is sent."""

    method: str
    path: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """Method and last steps of the path that tell what was asked."""
        steps = [step for step in self.path.split("/") if step]
        return f"{self.method} {'/'.join(steps[3:] if steps[:1] == ['services'] and 'data' in steps else steps)}"


Script = Callable[[Said], None]


def quiet(_: Said) -> None:
    """An org on an ordinary day."""


class OddOrg(Sandbox):
    """A sandbox whose org sends what `script` makes of its answers; `seen` are the answers as they were sent."""

    script: Script = staticmethod(quiet)

    def _salesforce_app(self) -> ASGIApp:
        self.seen: list[Said] = []
        return _Altering(super()._salesforce_app(), self)


@dataclass
class _Altering:
    app: ASGIApp
    org: OddOrg

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        head, body = await answered(self.app, scope, receive)
        headers = {name.decode(): value.decode() for name, value in head["headers"]}
        if headers.pop("content-encoding", "") == "gzip":
            body = gzip.decompress(body)
        said = Said(scope["method"], scope["path"], head["status"], headers, body)
        self.org.script(said)
        self.org.seen.append(said)
        named = {**said.headers, "content-length": str(len(said.body))}
        listed = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]
        await send({"type": "http.response.start", "status": said.status, "headers": listed})
        await send({"type": "http.response.body", "body": said.body})
