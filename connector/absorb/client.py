"""Access to the Absorb Integration API v2: one authenticated call, and one that asks again for a garbled answer."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Self, TypeVar, Unpack

from connector.absorb.dialects import Dialects
from connector.absorb.faults import explain
from connector.absorb.login.oauth import OAuthAuthenticator
from connector.absorb.login.password import PasswordAuthenticator
from connector.absorb.login.tokens import Authenticator
from connector.errors import ProtocolError
from connector.http.answers import Answer
from connector.http.ratelimit import Gate
from connector.http.session import HttpSession, QueryParams, Request
from connector.settings import OAuthLogin, Settings, require_absorb

GARBLED_TRIES = 3
GARBLED_PAUSE_SECONDS = 0.5  # before the second try; twice that before the third
T = TypeVar("T")


class AbsorbClient(AbstractAsyncContextManager["AbsorbClient"]):
    """One portal. Use as an async context manager; `dialects` is how its lists are asked for what changed."""

    def __init__(self, session: HttpSession, authenticator: Authenticator) -> None:
        self.session = session
        self._auth = authenticator
        self.dialects = Dialects()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The client these settings describe. Raises SettingsError when credentials are missing."""
        login = require_absorb(settings)
        limits = settings.absorb
        gate = Gate(limits.requests_per_second, limits.burst, limits.concurrency)
        session = HttpSession(
            limits.url, gate, setting="LEARNSYNC_ABSORB__BASE_URL (or __REGION)", limits=settings.limits
        )
        if isinstance(login, OAuthLogin):
            return cls(session, OAuthAuthenticator(login))
        return cls(session, PasswordAuthenticator(session, login))

    async def __aexit__(self, *_: object) -> None:
        await self.session.__aexit__()

    @property
    def at_hand(self) -> bool:
        """Whether calls can be made without a login that would end the account's session elsewhere."""
        return self._auth.at_hand

    async def login(self) -> None:
        """Make sure that there is a token. Raises AuthenticationError, UnreachableError."""
        await self._auth.current()

    async def call(self, method: str, path: str, **request: Unpack[Request]) -> Answer:
        """One authenticated call; raises the ApiError that `faults.explain` finds for anything but a success.

        A write that may have an effect twice is not `repeatable`: see `connector.http.session.Request`.
        """
        token = await self._auth.current()
        tries = 0
        while True:
            request["headers"] = {**self._auth.headers, "authorization": f"Bearer {token.value}"}
            answer = await self.session.call(method, path, **request)
            if answer.status != 401:
                token.accepted = token.accepted or answer.ok
                break
            tries += 1
            refused, token = token, await self._auth.after_refusal(token, tries)
            tries = tries if token.value == refused.value else 0  # a new token may be refused for a moment again
        if not answer.ok:
            raise explain(answer)
        return answer

    async def read(
        self, path: str, parse: Callable[[Answer], T], params: QueryParams | None = None, tries: int = GARBLED_TRIES
    ) -> T:
        """What `parse` makes of an answer; a body it cannot use (ProtocolError) is asked for again before that counts.

        Such a body is a gateway's HTML page under status 200, or one cut short.
        """
        for attempt in range(1, tries):
            answer = await self.call("GET", path, params=params)
            try:
                return parse(answer)
            except ProtocolError:
                await asyncio.sleep(GARBLED_PAUSE_SECONDS * attempt)
        return parse(await self.call("GET", path, params=params))
