"""Running the sandbox: portal, org and LearningRecord API on loopback ports, in a background thread."""

from __future__ import annotations

import ipaddress
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

from starlette.types import ASGIApp

from connector.sandbox.kit.faults import Faults, by_profile, by_queue
from connector.sandbox.kit.serving import Serving
from connector.sandbox.org.app import create_salesforce_app
from connector.sandbox.org.filling import populate
from connector.sandbox.org.hooks import HookedOrg
from connector.sandbox.org.learnings.routes import PATH as LEARNINGS_PATH
from connector.sandbox.org.native import sample
from connector.sandbox.portal.app import create_absorb_app
from connector.sandbox.portal.gateway import AbsorbOptions
from connector.sandbox.portal.generator import fill
from connector.sandbox.portal.oulad import load_oulad
from connector.sandbox.portal.state import Portal
from connector.sandbox.records.app import PATH as RECORDS_PATH
from connector.sandbox.records.app import Records, create_records_app

# Generated rows are at least this old, so that changes made later are clearly newer.
_SETTLED = timedelta(hours=3)
_SHARED_SECONDS = 600


class Ports(NamedTuple):
    """Where the three APIs listen; 0 is a free port."""

    absorb: int = 0
    salesforce: int = 0
    records: int = 0


@dataclass
class SandboxOptions:
    """What the sandbox holds and how it behaves."""

    scale: int = 5000
    courses: int | None = None
    dataset: Path | None = None
    faults: str = "none"
    seed: int = 20260101
    host: str = "127.0.0.1"
    ports: Ports = field(default_factory=Ports)
    rate_limit: float = 200
    token_seconds: float = 14_400
    now: Callable[[], datetime] | None = None
    # An org; or one whose native progress agrees with the portal, and where nobody is assigned anything.
    salesforce: bool | Literal["agreeing"] = True
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
        self.org: HookedOrg | None = None
        self.records: Records | None = None
        # Faults of single answers to writes, there once the org and the LearningRecord API serve.
        self.learning_answers: Faults | None = None
        self.record_answers: Faults | None = None
        self.absorb_url = ""
        self.salesforce_url = ""
        self.records_url = ""
        self._serving = Serving(self.options.host)

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Fill the portal and the org, then serve; returns when all ports accept."""
        if self._serving.running:
            raise RuntimeError("the sandbox is already running")
        self._fill()
        chosen, serve = self.options, self._serving.add
        self.absorb_url = serve(create_absorb_app(self.portal, self.absorb), chosen.ports.absorb)
        if chosen.salesforce:
            self.salesforce_url = serve(self._salesforce_app(), chosen.ports.salesforce)
        if chosen.learning_records:
            self.records_url = serve(self._records_app(), chosen.ports.records)
        self._serving.start()

    def stop(self) -> None:
        """Close all ports; harmless when nothing runs."""
        self._serving.stop()

    def run_forever(self) -> None:
        """Serve until SIGINT or SIGTERM, then close cleanly."""
        asked = threading.Event()
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, lambda *_: asked.set()) for number in numbers}
        try:
            if not self._serving.running:
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
        login = {"username": self.absorb.username, "password": self.absorb.password}
        found = _variables("ABSORB", base_url=self.absorb_url, api_key=self.absorb.api_key, **login)
        if self.org is not None:
            app = {"client_id": self.org.client_id, "client_secret": self.org.client_secret}
            found |= _variables("SALESFORCE", login_url=self.salesforce_url, **app)
        if self.records is not None:
            found |= _variables("LEARNING_RECORDS", base_url=self.records_url, api_key=self.records.api_key)
        return found

    def oauth_settings(self) -> dict[str, str]:
        """The variables that make the connector log in by OAuth here, beside or instead of username and password."""
        client = self.absorb.oauth
        secrets = {"oauth_client_id": client.client_id, "oauth_client_secret": client.client_secret}
        return _variables("ABSORB", portal_url=self.absorb_url, **secrets)

    def jwt_settings(self, key_file: Path) -> dict[str, str]:
        """Write the app's private key to `key_file` (mode 0600); the variables that log in to the org with it."""
        assert self.org is not None, "this sandbox was asked for without an org"
        key_file.touch(mode=0o600)
        key_file.chmod(0o600)
        key_file.write_text(self.org.jwt.private_key, "utf-8")
        user = next(row for row in self.org.records("User") if row["Id"] == self.org.user_id)
        login = {"login_url": self.salesforce_url, "client_id": self.org.client_id, "username": user["Username"]}
        return _variables("SALESFORCE", **login, private_key_file=str(key_file.resolve()))

    def _fill(self) -> None:
        if self.portal.count("users"):
            return  # the caller has already put rows into the portal
        if self.options.dataset is not None:
            load_oulad(self.portal, self.options.dataset)
            return
        settled = self.portal.now() - _SETTLED
        if self.options.now is None:
            # By the clock of the machine any moment will do: a common one lets sandboxes share what was made.
            settled = datetime.fromtimestamp(settled.timestamp() // _SHARED_SECONDS * _SHARED_SECONDS, UTC)
        chosen = self.options
        fill(self.portal, scale=chosen.scale, courses=chosen.courses, seed=chosen.seed, now=settled)

    def _salesforce_app(self) -> ASGIApp:
        self.org = HookedOrg(now=self.options.now)
        profile = "all" if self.options.dataset is not None else "mixed"
        courses, enrollments = sample(self.portal)
        agreeing = self.options.salesforce == "agreeing"
        populate(self.org, self.portal.users(), profile, courses, enrollments, agreeing=agreeing)
        app, self.learning_answers = by_queue(create_salesforce_app(self.org), LEARNINGS_PATH)
        return app

    def _records_app(self) -> ASGIApp:
        self.records = Records(now=self.options.now)
        app, self.record_answers = by_queue(create_records_app(self.records), RECORDS_PATH)
        return by_profile(app, self.absorb.profile(), self.options.seed)


def _variables(section: str, **values: str) -> dict[str, str]:
    """The environment variables of some settings of one section."""
    return {f"LEARNSYNC_{section}__{name.upper()}": value for name, value in values.items()}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
