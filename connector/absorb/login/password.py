"""Login by user and password: one live token per account, shared by everything in this process.

A new token ends the account's previous one (docs/facts/absorb.md section 2), so clients of one process share theirs.
"""

import logging
import time

from connector import redact
from connector.absorb.faults import explain
from connector.absorb.login.tokens import LIFETIME_SECONDS, Account, Authenticator, Token
from connector.errors import ApiError, AuthenticationError, WrongPathError
from connector.http.answers import Answer
from connector.http.session import HttpSession

log = logging.getLogger(__name__)

PATH = "/authenticate"

# One entry per (portal, user) for the whole process: assets of one Dagster run share the token.
_accounts: dict[tuple[str, str], Account] = {}


class PasswordAuthenticator(Authenticator):
    """Logs in by POST /authenticate. Every login counts as a renewal, the first one too."""

    refused_at_once = (
        "The portal refuses a token that it has just issued.",
        "Check that LEARNSYNC_ABSORB__USERNAME is an active admin that no other client uses.",
    )
    refused_often = (
        "The portal revoked {times} tokens of {user} within {minutes}: another client logs in with the same account.",
        "Absorb keeps one token per user: give learnsync its own admin (LEARNSYNC_ABSORB__USERNAME).",
    )

    def __init__(self, session: HttpSession, api_key: str, username: str, password: str) -> None:
        super().__init__(api_key, _accounts.setdefault((session.base_url, username.lower()), Account(username)))
        self._session = session
        self._username = username
        self._password = password
        redact.register(password)

    async def _live(self) -> Token:
        if self._account.token is None:
            self._account.renewals.append(time.monotonic())
            self._account.token = await self._log_in()
        return self._account.token

    def _discard(self, refused: Token) -> None:
        # No token: another call has just failed to log in. Such logins count, or each waiting call would try its own.
        if self._account.token is None or self._account.token is refused:
            self._check_burst(refused, usual=1)
            if refused.age < LIFETIME_SECONDS:
                log.warning("the token was refused after %.0f s, before its 4 hours; logging in again", refused.age)
            self._account.token = None

    async def _log_in(self) -> Token:
        body = {"username": self._username, "password": self._password, "privateKey": self._api_key}
        answer = await self._session.call("POST", PATH, json=body, headers=self.headers)
        if not answer.ok:
            raise _refusal(answer)
        token = Token(_token_in(answer))
        redact.register(token.value)
        log.info("logged in to %s as %s", self._session.base_url, self._username)
        return token


def _token_in(answer: Answer) -> str:
    """The token of a login's answer: a JSON string, or the bare text."""
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
    return value


def _refusal(answer: Answer) -> ApiError:
    """Name the setting that a failed login points at; the gateway and the portal refuse in different ways."""
    found = explain(answer)
    role_refused = answer.status == 403 and b"Forbidden" not in answer.body and not isinstance(found, WrongPathError)
    if answer.status not in {400, 401} and not role_refused:
        return found
    return AuthenticationError(
        f"Absorb refused the login ({answer.status}: {answer.text[:200]}).",
        remedy="Check LEARNSYNC_ABSORB__USERNAME and LEARNSYNC_ABSORB__PASSWORD (an LMS admin's), and that the key"
        " in LEARNSYNC_ABSORB__API_KEY belongs to this portal.",
        status=answer.status,
    )
