"""What both logins to Absorb share: one live token for many calls, and what to do when it is refused.

A token is renewed by compare-and-swap: of all calls that a dead token fails, the first renews it, the others take what
it got (docs/facts/absorb.md section 2). A fresh token may be refused for a moment by gateway nodes that lag; such a
refusal is repeated with the same token before anything is renewed.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import ClassVar

from connector import redact
from connector.errors import AuthenticationError
from connector.http.credentials import SharedCredential

STRAY_TRIES = 4
STRAY_PAUSE_SECONDS = 0.4
FRESH_SECONDS = 60.0
LIFETIME_SECONDS = 4 * 3600.0
# Renewals this close together mean that somebody else keeps ending our tokens.
BURST_SECONDS = 600.0
BURST_RENEWALS = 6


@dataclass(slots=True)
class Token:
    """A token value and what became of it."""

    value: str
    obtained_at: float = field(default_factory=time.monotonic)
    accepted: bool = False

    @property
    def age(self) -> float:
        """Seconds since it was issued."""
        return time.monotonic() - self.obtained_at


@dataclass(slots=True)
class Account:
    """One login's token, and when it was renewed (seconds of the monotonic clock); `user` where the login has one.

    `refused` is the token that was refused last, `unused` how many in a row were refused without having been accepted.
    """

    user: str = ""
    token: Token | None = None
    renewals: list[float] = field(default_factory=list)
    refused: str = ""
    unused: int = 0


class Authenticator(SharedCredential[Token]):
    """Hands out a login's token and replaces it when the portal refuses it.

    Message and remedy when tokens are refused that were never accepted: `refused_at_once`, said after `patience` recent
    renewals; for {times} renewals within {minutes}: `refused_often`. {user} is the account's.
    """

    patience: ClassVar[int]
    refused_at_once: ClassVar[tuple[str, str]]
    refused_often: ClassVar[tuple[str, str]]

    def __init__(self, api_key: str, account: Account) -> None:
        super().__init__()
        self._api_key = api_key
        self._account = account
        redact.register(api_key)

    @property
    def headers(self) -> dict[str, str]:
        """Headers that every call to the gateway needs, token apart."""
        return {"x-api-key": self._api_key, "x-api-version": "2", "accept": "application/json"}

    @property
    def at_hand(self) -> bool:
        """Whether calls can be made without a login that would end the account's session elsewhere."""
        return True

    async def after_refusal(self, refused: Token, tries: int) -> Token:
        """What to use after `refused` got a 401 for the `tries`-th time in one call. Raises AuthenticationError."""
        if refused.age < FRESH_SECONDS and tries < STRAY_TRIES:
            await asyncio.sleep(STRAY_PAUSE_SECONDS)
            return await self.current()
        return await self.renewed(refused)

    def _check_burst(self, refused: Token) -> None:
        """Raise AuthenticationError where renewing again would lead nowhere."""
        now = time.monotonic()
        recent = [moment for moment in self._account.renewals if now - moment < BURST_SECONDS]
        self._account.renewals, self._account.refused = recent, refused.value
        self._account.unused = 0 if refused.accepted else self._account.unused + 1
        at_once = self._account.unused > 1 and len(recent) > self.patience
        if at_once or len(recent) >= BURST_RENEWALS:
            message, remedy = self.refused_at_once if at_once else self.refused_often
            facts = {"times": len(recent), "minutes": f"{BURST_SECONDS / 60:.0f} minutes", "user": self._account.user}
            raise AuthenticationError(message.format_map(facts), remedy=remedy, status=401)
