"""What stands in front of every call: api key, rate limit, token, and the traffic count."""

import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.faults import PROFILES, Profile
from connector.sandbox.kit.oauth import same
from connector.sandbox.portal.errors import gateway_error
from connector.sandbox.portal.oauth import OAuthClient, OAuthServer
from connector.sandbox.portal.people import ACCOUNT

DENIED = "Authorization has been denied for this request."


@dataclass
class AbsorbOptions:
    """How the portal's HTTP side behaves; the credentials are made up afresh unless given."""

    api_key: str = field(default_factory=lambda: str(uuid.uuid4()).upper(), repr=False)
    username: str = ACCOUNT
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    token_seconds: float = 14_400.0
    requests_per_second: float = 200.0
    burst: int = 100
    faults: str = "none"
    seed: int = 20260101
    gzip: bool = False
    clock: Callable[[], float] = time.monotonic
    oauth: OAuthClient = field(default_factory=OAuthClient)

    def profile(self) -> Profile:
        """The named fault profile."""
        if self.faults not in PROFILES:
            raise ValueError(f"unknown fault profile {self.faults!r}: choose from {', '.join(PROFILES)}")
        return PROFILES[self.faults]


class TokenBucket:
    """The gateway's throttle: ``burst`` calls at once, refilled at a steady rate."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = float(max(1, burst))
        self._clock = clock
        self._level = self._burst
        self._seen = clock()

    def take(self) -> bool:
        """Whether one more call fits."""
        if self._rate <= 0:
            return True
        now = self._clock()
        self._level = min(self._burst, self._level + (now - self._seen) * self._rate)
        self._seen = now
        if self._level < 1:
            return False
        self._level -= 1
        return True


@dataclass
class _Token:
    value: str
    expires: float
    strays: int
    calls: int = 0  # that it was accepted for


@dataclass
class Rival:
    """Another client of the account: it logs in `times` more, whenever our token was good for `calls` calls."""

    times: int = 0
    calls: int = 0


class Gateway:
    """Checks calls in the order of the real one: key, rate, token."""

    def __init__(self, options: AbsorbOptions) -> None:
        self._options = options
        profile = options.profile()
        self._lifetime = profile.token_seconds or options.token_seconds
        self._strays = profile.stray_401
        self._bucket = TokenBucket(options.requests_per_second, options.burst, options.clock)
        self._current: dict[str, _Token] = {}
        self.requests: Counter[str] = Counter()
        self.tokens_minted = 0  # by logging in; not by the rival
        self.rival = Rival()
        self.oauth = OAuthServer(options.oauth, self._lifetime, options.clock)

    def admit(self, request: Request) -> None:
        """Refuse calls without the key (compared with case) and calls over the limit."""
        if not same(request.headers.get("x-api-key", ""), self._options.api_key):
            raise gateway_error(403, "Forbidden")
        if not self._bucket.take():
            raise gateway_error(429, "Too Many Requests")

    def authorize(self, request: Request) -> None:
        """Refuse calls without the one valid token; ``Bearer t`` and the raw token both work."""
        offered = request.headers.get("authorization", "")
        if offered[:7].lower() == "bearer ":
            offered = offered[7:].strip()
        if self.oauth.accepts(offered):
            return
        token = next((t for t in self._current.values() if same(t.value, offered)), None)
        if token is not None and self.rival.times > 0 and token.calls >= self.rival.calls:
            self.rival.times -= 1
            token.value = secrets.token_urlsafe(48)  # the rival's from now on
            token = None
        if token is None or self._options.clock() >= token.expires:
            raise gateway_error(401, DENIED)
        if token.strays > 0:
            token.strays -= 1
            raise gateway_error(401, DENIED)
        token.calls += 1

    def mint(self, username: str, password: str, private_key: str) -> str:
        """Issue a token and revoke that user's previous one (docs/facts/absorb.md section 2)."""
        wanted = self._options
        offered = ((username.lower(), wanted.username.lower()), (password, wanted.password))
        if not all(same(a, b) for a, b in (*offered, (private_key, wanted.api_key))):
            raise Refusal(401, "ErrorInvalidCredentials", "The username, password or private key is not valid.")
        value = secrets.token_urlsafe(48)
        expires = wanted.clock() + self._lifetime
        self._current[username.lower()] = _Token(value, expires, self._strays)
        self.tokens_minted += 1
        return value
