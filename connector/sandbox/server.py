"""Running the sandbox: portal, org and LearningRecord API on loopback ports, in a background thread."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from connector.sandbox.kit.answer_faults import AnswerFaults
from connector.sandbox.kit.faults import FaultMiddleware
from connector.sandbox.portal.app import create_absorb_app
from connector.sandbox.portal.gateway import AbsorbOptions
from connector.sandbox.portal.generator import generate
from connector.sandbox.portal.oulad import load_oulad
from connector.sandbox.portal.state import Portal
from connector.sandbox.records.app import PATH as RECORDS_PATH
from connector.sandbox.records.app import Records, create_records_app

if TYPE_CHECKING:
    from connector.sandbox.org.org import Org

_START_SECONDS = 15.0
# What the generator makes happened before: the first changes that a visitor makes stand out from it.
_SETTLED = timedelta(hours=3)


@dataclass
class SandboxOptions:
    """What the sandbox holds and how it behaves."""

    scale: int = 5000
    courses: int | None = None
    dataset: Path | None = None
    faults: str = "none"
    seed: int = 20260101
    host: str = "127.0.0.1"
    absorb_port: int = 0
    salesforce_port: int = 0
    records_port: int = 0
    rate_limit: float = 200
    token_seconds: float = 14_400
    now: Callable[[], datetime] | None = None
    salesforce: bool = True
    writable_progress: bool = False
    learning_records: bool = False

    def __post_init__(self) -> None:
        if not _is_loopback(self.host):
            raise ValueError(f"the sandbox serves loopback hosts only, not {self.host!r}")


class Sandbox:
    """A portal and an org that can be talked to over HTTP between ``start`` and ``stop``."""

    def __init__(self, options: SandboxOptions | None = None) -> None:
        self.options = options or SandboxOptions()
        self.absorb = AbsorbOptions(
            faults=self.options.faults,
            seed=self.options.seed,
            requests_per_second=self.options.rate_limit,
            token_seconds=self.options.token_seconds,
        )
        self.absorb.profile()  # an unknown profile fails here, not in the serving thread
        self.portal = Portal(now=self.options.now, seed=self.options.seed)
        self.org: Org | None = None
        self.records: Records | None = None
        # Faults of single answers to writes, there once the org and the LearningRecord API serve.
        self.learning_answers: AnswerFaults | None = None
        self.record_answers: AnswerFaults | None = None
        self.absorb_url = ""
        self.salesforce_url = ""
        self.records_url = ""
        self._servers: list[uvicorn.Server] = []
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Fill the portal and the org, then serve; returns when all ports accept."""
        if self._thread is not None:
            raise RuntimeError("the sandbox is already running")
        self._fill()
        apps: list[ASGIApp] = [create_absorb_app(self.portal, self.absorb)]
        sockets = [self._listen(self.options.absorb_port)]
        self.absorb_url = self._url(sockets[0])
        if self.options.salesforce:
            apps.append(self._salesforce_app())
            sockets.append(self._listen(self.options.salesforce_port))
            self.salesforce_url = self._url(sockets[-1])
        if self.options.learning_records:
            apps.append(self._records_app())
            sockets.append(self._listen(self.options.records_port))
            self.records_url = self._url(sockets[-1])
        self._servers = [uvicorn.Server(_config(app)) for app in apps]
        self._thread = threading.Thread(target=self._serve, args=(sockets,), name="sandbox", daemon=True)
        self._thread.start()
        self._await_started()

    def stop(self) -> None:
        """Close all ports; harmless when nothing runs."""
        for server in self._servers:
            server.should_exit = True
        if self._thread is not None:
            self._thread.join(timeout=_START_SECONDS)
        self._thread, self._servers = None, []

    def run_forever(self) -> None:
        """Serve until SIGINT or SIGTERM, then close cleanly."""
        asked = threading.Event()

        def stop(_signal: int, _frame: FrameType | None) -> None:
            asked.set()

        before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            if self._thread is None:
                self.start()
            # A bare wait() would hold signals back on some platforms.
            while not asked.wait(timeout=1.0):
                continue
        finally:
            self.stop()
            for number, handler in before.items():
                signal.signal(number, handler)

    def settings(self) -> dict[str, str]:
        """The environment variables that point the connector here."""
        found = {
            "LEARNSYNC_ABSORB__BASE_URL": self.absorb_url,
            "LEARNSYNC_ABSORB__API_KEY": self.absorb.api_key,
            "LEARNSYNC_ABSORB__USERNAME": self.absorb.username,
            "LEARNSYNC_ABSORB__PASSWORD": self.absorb.password,
        }
        if self.org is not None:
            found |= {
                "LEARNSYNC_SALESFORCE__LOGIN_URL": self.salesforce_url,
                "LEARNSYNC_SALESFORCE__CLIENT_ID": self.org.client_id,
                "LEARNSYNC_SALESFORCE__CLIENT_SECRET": self.org.client_secret,
            }
        if self.records is not None:
            found |= {
                "LEARNSYNC_LEARNING_RECORDS__BASE_URL": self.records_url,
                "LEARNSYNC_LEARNING_RECORDS__API_KEY": self.records.api_key,
            }
        return found

    def oauth_settings(self) -> dict[str, str]:
        """The variables that make the connector log in by OAuth here, beside or instead of username and password."""
        return {
            "LEARNSYNC_ABSORB__PORTAL_URL": self.absorb_url,
            "LEARNSYNC_ABSORB__OAUTH_CLIENT_ID": self.absorb.oauth.client_id,
            "LEARNSYNC_ABSORB__OAUTH_CLIENT_SECRET": self.absorb.oauth.client_secret,
        }

    def jwt_settings(self, key_file: Path) -> dict[str, str]:
        """Write the app's private key to `key_file` (mode 0600); the variables that log in to the org with it."""
        assert self.org is not None, "this sandbox was asked for without an org"
        key_file.touch(mode=0o600)
        key_file.chmod(0o600)
        key_file.write_text(self.org.jwt.private_key, "utf-8")
        user = next(row for row in self.org.records("User") if row["Id"] == self.org.user_id)
        return {
            "LEARNSYNC_SALESFORCE__LOGIN_URL": self.salesforce_url,
            "LEARNSYNC_SALESFORCE__CLIENT_ID": self.org.client_id,
            "LEARNSYNC_SALESFORCE__USERNAME": user["Username"],
            "LEARNSYNC_SALESFORCE__PRIVATE_KEY_FILE": str(key_file.resolve()),
        }

    def _fill(self) -> None:
        if self.portal.count("users"):
            return  # the caller has already put rows into the portal
        if self.options.dataset is not None:
            load_oulad(self.portal, self.options.dataset)
        else:
            chosen = self.options
            generate(
                self.portal,
                scale=chosen.scale,
                courses=chosen.courses,
                seed=chosen.seed,
                now=self.portal.now() - _SETTLED,
            )

    def _salesforce_app(self) -> ASGIApp:
        from connector.sandbox.org.app import create_salesforce_app  # noqa: PLC0415
        from connector.sandbox.org.learning import sample  # noqa: PLC0415
        from connector.sandbox.org.org import Org  # noqa: PLC0415 - the portal alone needs no org

        self.org = Org(now=self.options.now)
        if self.options.writable_progress:
            self.org.open_learning_item_progress()
        profile = "all" if self.options.dataset is not None else "mixed"
        courses, enrollments = sample(self.portal)
        self.org.populate(self.portal.users(), profile, courses, enrollments)
        self.learning_answers = AnswerFaults(create_salesforce_app(self.org), "/academic-operations/learnings")
        return self.learning_answers

    def _records_app(self) -> ASGIApp:
        self.records = Records(now=self.options.now)
        self.record_answers = AnswerFaults(create_records_app(self.records), RECORDS_PATH)
        return FaultMiddleware(self.record_answers, self.absorb.profile(), self.options.seed)

    def _listen(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.options.host else socket.AF_INET
        # The protocol is spelled out because asyncio switches Nagle's delay off (40 ms per answer) only then.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.options.host, port))
        listener.listen(256)
        return listener

    def _url(self, listener: socket.socket) -> str:
        host = f"[{self.options.host}]" if ":" in self.options.host else self.options.host
        return f"http://{host}:{listener.getsockname()[1]}"

    def _serve(self, sockets: list[socket.socket]) -> None:
        async def together() -> None:
            pairs = zip(self._servers, sockets, strict=True)
            await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in pairs))

        asyncio.run(together())

    def _await_started(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not all(server.started for server in self._servers):
            alive = self._thread is not None and self._thread.is_alive()
            if not alive or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("the sandbox did not start")
            time.sleep(0.005)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
