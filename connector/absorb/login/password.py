"""Login by user and password: one live token per account, shared by all processes of this user.

A new token ends the account's previous one (docs/facts/absorb.md section 2). Clients of one process share an `Account`,
processes share a file: who finds its token dead logs in under the file's lock, and only if the file holds no other one.
"""

import logging
import time

from connector import redact
from connector.absorb.faults import explain
from connector.absorb.login.session_file import SessionFile
from connector.absorb.login.tokens import LIFETIME_SECONDS, Account, Authenticator, Token
from connector.errors import ApiError, AuthenticationError, SettingsError, WrongPathError
from connector.http.answers import Answer, is_sendable
from connector.http.refusals import login_reason
from connector.http.session import HttpSession
from connector.settings import PasswordLogin

log = logging.getLogger(__name__)

PATH = "/authenticate"

# One entry per login (its fingerprint) for the whole process: assets of one Dagster run share the token.
_accounts: dict[str, Account] = {}


class PasswordAuthenticator(Authenticator):
    """Logs in by POST /authenticate. Every login counts as a renewal, the first one too."""

    patience = 3  # so many tokens may be ended by another client before their first use
    refused_at_once = (
        "The portal refuses a token that it has just issued.",
        "Check that LEARNSYNC_ABSORB__USERNAME is an active admin that no other client uses.",
    )
    refused_often = (
        "The portal revoked {times} tokens of {user} within {minutes}: another client logs in with the same account.",
        "Absorb keeps one token per user: give learnsync its own admin (LEARNSYNC_ABSORB__USERNAME).",
    )

    def __init__(self, session: HttpSession, login: PasswordLogin) -> None:
        self._file = SessionFile(session.base_url, login)
        super().__init__(login.api_key, _accounts.setdefault(self._file.fingerprint, Account(login.username)))
        self._session = session
        self._login = login
        redact.register(login.password)

    @property
    def at_hand(self) -> bool:
        """Whether this process or another one of this user has a token that may be live."""
        return self._account.token is not None or self._shared() is not None

    async def _live(self) -> Token:
        if self._account.token is None:
            self._account.token = await self._obtained()
        return self._account.token

    def _discard(self, refused: Token) -> None:
        # No token: another call has just failed to log in. Such logins count, or each waiting call would try its own.
        if self._account.token is None or self._account.token is refused:
            self._check_burst(refused)
            if refused.age < LIFETIME_SECONDS:
                log.warning("the token was refused after %.0f s, before its 4 hours; logging in again", refused.age)
            self._account.token = None

    def _shared(self) -> Token | None:
        """The token in the file, unless it is the one that was refused."""
        found = self._file.session()
        if found is None or found.token == self._account.refused:
            return None
        return Token(found.token, time.monotonic() - found.age)

    async def _obtained(self) -> Token:
        """What another process obtained, or a new token. Where no file can be kept this process logs in by itself."""
        if not self._file.possible:
            return await self._log_in()
        token: Token | None = None
        try:
            async with self._file.locked():
                if shared := self._shared():
                    return shared
                with self._file.replacing() as save:
                    token = await self._log_in()
                    save(self._file.holding(token.value))
        except SettingsError as failure:
            log.warning("the token is not shared with other processes: %s", failure)
        return token or await self._log_in()

    async def _log_in(self) -> Token:
        self._account.renewals.append(time.monotonic())
        body = {"username": self._login.username, "password": self._login.password, "privateKey": self._api_key}
        answer = await self._session.call("POST", PATH, json=body, headers=self.headers)
        if not answer.ok:
            raise _refusal(answer)
        token = Token(_token_in(answer))
        redact.register(token.value)
        log.info("logged in to %s as %s", self._session.base_url, self._login.username)
        return token


def _token_in(answer: Answer) -> str:
    """The token of a login's answer: a JSON string, or the bare text."""
    try:
        value = answer.json()
    except ValueError:
        value = answer.body.decode("utf-8", "replace").strip()
    if not isinstance(value, str) or not is_sendable(value) or "<" in value:
        raise AuthenticationError(
            f"POST {PATH} did not answer with a token.",
            remedy="Check LEARNSYNC_ABSORB__BASE_URL: it must be the REST gateway, such as https://rest.myabsorb.com.",
            status=answer.status,
        )
    return value


def _refusal(answer: Answer) -> ApiError:
    """Name the setting that a failed login points at; the gateway and the portal refuse in different ways."""
    reason = login_reason(answer)
    found = explain(answer, text=reason)
    role_refused = answer.status == 403 and b"Forbidden" not in answer.body and not isinstance(found, WrongPathError)
    if answer.status not in {400, 401} and not role_refused:
        return found
    return AuthenticationError(
        f"Absorb refused the login ({answer.status}: {reason}).",
        remedy="Check LEARNSYNC_ABSORB__USERNAME and LEARNSYNC_ABSORB__PASSWORD (an LMS admin's), and that the key"
        " in LEARNSYNC_ABSORB__API_KEY belongs to this portal.",
        status=answer.status,
    )
