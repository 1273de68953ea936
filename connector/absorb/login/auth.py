"""One live Absorb token per account, shared by everything in this process (docs/facts/absorb.md section 2).

A new token kills the account's previous one, so tokens are minted once and refreshed by compare-and-swap: of all calls
that a dying token fails, the first mints, the others take what it got. A fresh token may be refused for a moment by
gateway nodes that lag; such a refusal is repeated with the same token before anything is minted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

from connector import redact
from connector.absorb.faults import explain, is_wrong_path
from connector.errors import ApiError, AuthenticationError
from connector.http.answers import Answer
from connector.http.session import HttpSession

log = logging.getLogger(__name__)

PATH = "/authenticate"
STRAY_TRIES = 4
STRAY_PAUSE_SECONDS = 0.4
FRESH_SECONDS = 60.0
LIFETIME_SECONDS = 4 * 3600.0
# Re-mints this close together mean that somebody else keeps logging in with the account.
BURST_SECONDS = 600.0
BURST_MINTS = 4


@dataclass(slots=True)
class Token:
    """A token value and what became of it."""

    value: str
    minted_at: float = field(default_factory=time.monotonic)
    accepted: bool = False

    @property
    def age(self) -> float:
        """Seconds since it was minted."""
        return time.monotonic() - self.minted_at


@dataclass(slots=True)
class _Account:
    token: Token | None = None
    mints: list[float] = field(default_factory=list)


# One entry per (portal, user) for the whole process: assets of one Dagster run share the token.
_accounts: dict[tuple[str, str], _Account] = {}


def api_headers(api_key: str) -> dict[str, str]:
    """Headers of every call to the gateway, however the token was come by."""
    return {"x-api-key": api_key, "x-api-version": "2", "accept": "application/json"}


class Authenticator:
    """Hands out the account's token and replaces it when the portal refuses it."""

    def __init__(self, session: HttpSession, api_key: str, username: str, password: str) -> None:
        self._session = session
        self._api_key = api_key
        self._username = username
        self._password = password
        self._account = _accounts.setdefault((session.base_url, username.lower()), _Account())
        self._flight = asyncio.Lock()
        redact.register(api_key, password)

    @property
    def headers(self) -> dict[str, str]:
        """Headers every call needs, token apart."""
        return api_headers(self._api_key)

    async def token(self) -> Token:
        """The live token, minted if there is none. Raises AuthenticationError."""
        async with self._flight:
            if self._account.token is None:
                self._account.token = await self._mint()
            return self._account.token

    async def replace(self, refused: Token, tries: int) -> Token:
        """What to use after `refused` got a 401 for the `tries`-th time in one call. Raises AuthenticationError."""
        if refused.age < FRESH_SECONDS and tries < STRAY_TRIES:
            await asyncio.sleep(STRAY_PAUSE_SECONDS)
            return await self.token()
        async with self._flight:
            if self._account.token is not None and self._account.token is not refused:
                return self._account.token
            self._refuse_to_fight(refused)
            self._account.token = None
            self._account.token = await self._mint()
            return self._account.token

    def forget(self) -> None:
        """Drop the token, so that the next call mints one."""
        self._account.token = None

    def _refuse_to_fight(self, refused: Token) -> None:
        now = time.monotonic()
        recent = [moment for moment in self._account.mints if now - moment < BURST_SECONDS]
        if not refused.accepted and len(recent) > 1:
            raise AuthenticationError(
                "The portal refuses a token that it has just issued.",
                remedy="Check that LEARNSYNC_ABSORB__USERNAME is an active admin that no other client uses.",
                status=401,
            )
        if len(recent) >= BURST_MINTS:
            raise AuthenticationError(
                f"The portal revoked {len(recent)} tokens of {self._username} within {BURST_SECONDS / 60:.0f} minutes:"
                " another client logs in with the same account.",
                remedy="Absorb keeps one token per user: give learnsync its own admin (LEARNSYNC_ABSORB__USERNAME).",
                status=401,
            )
        if refused.age < LIFETIME_SECONDS:
            log.warning("the token was refused after %.0f s, before its 4 hours; logging in again", refused.age)

    async def _mint(self) -> Token:
        self._account.mints.append(time.monotonic())
        body = {"username": self._username, "password": self._password, "privateKey": self._api_key}
        answer = await self._session.call("POST", PATH, json=body, headers=self.headers)
        if not answer.ok:
            raise _refusal(answer)
        try:
            value = answer.json()
        except ValueError:
            value = answer.body.decode("utf-8", "replace").strip()
        if not isinstance(value, str) or not value or "<" in value:
            raise AuthenticationError(
                f"POST {PATH} did not answer with a token.",
                remedy="Check LEARNSYNC_ABSORB__BASE_URL: it must be the REST gateway, such as https://rest.myabsorb.com.",
                status=answer.status,
            )
        redact.register(value)
        log.info("logged in to %s as %s", self._session.base_url, self._username)
        return Token(value)


def _refusal(answer: Answer) -> ApiError:
    """Name the setting that a failed login points at; the gateway and the portal refuse in different ways."""
    if answer.status in {400, 401} or (
        answer.status == 403 and b"Forbidden" not in answer.body and not is_wrong_path(answer)
    ):
        return AuthenticationError(
            f"Absorb refused the login ({answer.status}: {answer.text[:200]}).",
            remedy="Check LEARNSYNC_ABSORB__USERNAME and LEARNSYNC_ABSORB__PASSWORD (an LMS admin's), and that the key"
            " in LEARNSYNC_ABSORB__API_KEY belongs to this portal.",
            status=answer.status,
        )
    return explain(answer)
