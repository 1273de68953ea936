"""Access tokens and the daily call allowance of the org (docs/facts/salesforce.md sections 3f and 4)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.faults import Faults
from connector.sandbox.org.rows.ids import long_form


class Sessions:
    """Opaque tokens without an announced lifetime, and one counter of calls for all of them."""

    def __init__(self, api_max: int = 100_000) -> None:
        # Each start is a new org with a new id, as each refresh of a Salesforce sandbox is.
        self.org_id = long_form("00D5g" + secrets.token_hex(5))
        self.api_used = 0
        self.api_max = api_max
        # Token → the user it acts for; empty for the integration user.
        self._tokens: dict[str, str] = {}
        self._faults = Faults()

    def issue(self, user_id: str = "") -> str:
        """A new token; it lasts until ``expire`` because the response announces no lifetime."""
        token = f"{self.org_id[:15]}!AQ{secrets.token_urlsafe(60)}"
        self._tokens[token] = user_id
        return token

    def expire(self) -> None:
        """Ends every session at once."""
        self._tokens.clear()

    def refuse_next(self, refusals: Iterable[tuple[int, str]]) -> None:
        """Queues answers (HTTP status, error code) for the next calls, in place of serving them."""
        self._faults.queue(f"{status} {code}" for status, code in refusals)

    def admit(self, scheme: str, token: str) -> str:
        """Counts one call and returns whom it acts for (empty: the integration user), or says why it is not served."""
        if scheme not in {"bearer", "oauth"} or token not in self._tokens:
            raise Refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
        fault = self._faults.next()
        if fault:
            status, _, code = fault.partition(" ")
            raise Refusal(int(status), code, "The request was refused by an injected fault")
        if self.api_used >= self.api_max:
            raise Refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.api_used += 1
        return self._tokens[token]

    @property
    def usage(self) -> str:
        """The value of ``Sforce-Limit-Info``."""
        return f"api-usage={self.api_used}/{self.api_max}"
