"""Login by OAuth: tokens for a code or a refresh token, and the token file's access token, refreshed when it is no use.

Facts: docs/facts/absorb.md section 2. Endpoints are on the tenant's own host, not on the REST gateway; authorization
code and refresh token, scope admin.v1, no PKCE; the code works once; an access token lives 4 hours, a refresh token a
year. Unlike tokens of /authenticate, these do not revoke one another (the vendor's wording implies it; not tried).
Whether a refresh hands out a new refresh token is not known: one that comes replaces the old.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from typing import Any

from connector import redact
from connector.absorb.login.token_file import LOGIN_REMEDY, StoredTokens, TokenFile
from connector.absorb.login.tokens import LIFETIME_SECONDS, Account, Authenticator, Token
from connector.errors import ApiError, AuthenticationError, ProtocolError
from connector.http.answers import Answer, is_sendable, json_or_none
from connector.http.ratelimit import Gate
from connector.http.refusals import explained, login_reason, read_refusals
from connector.http.session import HttpSession
from connector.settings import OAuthLogin
from connector.times import utc_now

log = logging.getLogger(__name__)

# How long a cancelled run waits for a refresh under way: its answer may hold the only refresh token that still works.
CANCEL_GRACE_SECONDS = 15.0
AUTHORIZE_PATH = "/oauth/authorize"
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
SCOPE = "admin.v1"
CLIENT_REMEDY = (
    "Check LEARNSYNC_ABSORB__OAUTH_CLIENT_ID and LEARNSYNC_ABSORB__OAUTH_CLIENT_SECRET (Portal Settings of the portal"
    " in LEARNSYNC_ABSORB__PORTAL_URL)."
)
PORTAL_REMEDY = (
    "Check LEARNSYNC_ABSORB__PORTAL_URL: the portal's own host, such as https://company.myabsorb.com, not the gateway."
)
REFUSALS = read_refusals(__package__)


async def exchange(login: OAuthLogin, code: str, redirect_uri: str) -> StoredTokens:
    """Tokens for a code. Sent once: the portal takes a code once, and a repeat would only hide what went wrong."""
    redact.register(code)
    # Public clients send a nonce, as the vendor's page has it; a server that knows none ignores it (RFC 6749 3.2).
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "nonce": secrets.token_urlsafe(16),
    }
    return _tokens(login, await _ask(login, form, repeatable=False), None)


async def refresh(login: OAuthLogin, stored: StoredTokens) -> StoredTokens:
    """New tokens for the stored refresh token. Raises AuthenticationError when somebody has to log in again."""
    if stored.refresh_token is None:
        raise AuthenticationError("The login has ended; the portal gave no refresh token.", remedy=LOGIN_REMEDY)
    form = {"grant_type": "refresh_token", "refresh_token": stored.refresh_token}
    # Repeatable: where the portal spent the token and its answer was lost, the login is lost with or without a repeat.
    return _tokens(login, await _ask(login, form, repeatable=True), stored)


async def _ask(login: OAuthLogin, form: Mapping[str, str], *, repeatable: bool) -> Answer:
    credentials = {"client_id": login.client_id, "client_secret": login.client_secret}
    # At this endpoint public clients send the client id as the key; the API key is the gateway's and is not sent here.
    headers = {"accept": "application/json", "x-api-key": login.client_id}
    async with HttpSession(login.portal_url, Gate(5, 5, 1), setting="LEARNSYNC_ABSORB__PORTAL_URL") as session:
        answer = await session.call(
            "POST", TOKEN_PATH, form={**form, **credentials}, headers=headers, repeatable=repeatable
        )
    if not answer.ok:
        raise _refusal(answer, form["grant_type"])
    return answer


def _tokens(login: OAuthLogin, answer: Answer, before: StoredTokens | None) -> StoredTokens:
    body = _document(answer)
    access, successor, now = body.get("access_token"), body.get("refresh_token"), utc_now()
    if not isinstance(access, str) or not is_sendable(access):
        raise ProtocolError(
            f"POST {TOKEN_PATH} did not answer with a token.", remedy=PORTAL_REMEDY, status=answer.status
        )
    refresh_token, refresh_since = (before.refresh_token, before.refresh_obtained_at) if before else (None, now)
    if isinstance(successor, str) and successor:
        refresh_token, refresh_since = successor, now
    stored = StoredTokens(
        portal=login.portal_url,
        client_id=login.client_id,
        access_token=access,
        refresh_token=refresh_token,
        obtained_at=now,
        expires_at=now + timedelta(seconds=_lifetime(body.get("expires_in"))),
        refresh_obtained_at=refresh_since,
    )
    stored.register()
    return stored


def _lifetime(value: object) -> float:
    """`expires_in` as seconds; the documented 4 hours where it is missing or nonsense."""
    try:
        found = float(value) if isinstance(value, int | float | str) else 0.0
    except ValueError:
        found = 0.0
    return found if 0 < found < LIFETIME_SECONDS * 1000 else LIFETIME_SECONDS


def _document(answer: Answer) -> dict[str, Any]:
    found = json_or_none(answer)
    return found if isinstance(found, dict) else {}


def _refusal(answer: Answer, grant: str) -> ApiError:
    """The error for a refused grant, naming the setting or step that cures it."""
    code = str(_document(answer).get("error") or "")
    # A code is good for one try only; a refresh may be asked for again.
    kind, again = ("login", "Run again.") if grant == "refresh_token" else ("code of this login", LOGIN_REMEDY)
    remedies = {"log_in": LOGIN_REMEDY, "check_client": CLIENT_REMEDY, "check_portal": PORTAL_REMEDY, "again": again}
    return explained(REFUSALS, answer, code, grant=kind, text=login_reason(answer), **remedies)


def stored_login(login: OAuthLogin) -> StoredTokens:
    """The login in the token file. Raises AuthenticationError when there is none, or another portal's."""
    stored = TokenFile(login.token_file).read()
    if stored is None:
        raise AuthenticationError(f"There is no Absorb login in {login.token_file}.", remedy=LOGIN_REMEDY)
    if not stored.belongs_to(login.portal_url, login.client_id):
        raise AuthenticationError(
            f"{login.token_file} holds a login of another portal or client ({stored.portal}).",
            remedy="Point LEARNSYNC_ABSORB__TOKEN_FILE at a file of this tenant's own; or, if that login is no longer"
            " needed, run `learnsync auth logout` and `learnsync auth login`.",
        )
    return stored


class OAuthAuthenticator(Authenticator):
    """Hands out the login's access token and refreshes it.

    The token file is what processes share. A refresh happens under its lock, and only if the file, read again under
    the lock, still holds the token that is of no use: however many processes notice, one refreshes.
    """

    patience = 0
    refused_at_once = (
        "Absorb's gateway refuses a token that the portal has just issued.",
        (
            "Check that LEARNSYNC_ABSORB__BASE_URL (or __REGION) is the gateway of the portal in"
            " LEARNSYNC_ABSORB__PORTAL_URL, and that the account which logged in is an active admin."
        ),
    )
    refused_often = (
        "Absorb's gateway refused {times} tokens before their time within {minutes}.",
        "Find out who withdraws them (an admin, or another client), then `learnsync auth login`.",
    )

    def __init__(self, login: OAuthLogin) -> None:
        super().__init__(login.api_key, Account())
        self._login = login
        self._file = TokenFile(login.token_file)
        self._stored: StoredTokens | None = None
        redact.register(login.client_secret)

    async def _live(self) -> Token:
        if self._account.token is None or self._stored is None or not self._stored.fresh(utc_now()):
            stored = stored_login(self._login)
            self._stored = stored if self._is_usable(stored) else await _completed(self._refreshed())
        token = self._account.token
        if token is None or token.value != self._stored.access_token:
            token = Token(self._stored.access_token, time.monotonic() - self._stored.age)
            self._account.token = token
        return token

    def _discard(self, refused: Token) -> None:
        if self._account.token is refused:
            self._check_burst(refused)
            log.warning("the token was refused after %.0f s, before its time; refreshing", refused.age)
            self._account.renewals.append(time.monotonic())
            self._account.token = None

    def _is_usable(self, stored: StoredTokens) -> bool:
        return stored.access_token != self._account.refused and stored.fresh(utc_now())

    async def _refreshed(self) -> StoredTokens:
        async with self._file.locked():
            # Another process may have refreshed while this one waited for the lock.
            stored = stored_login(self._login)
            if self._is_usable(stored):
                return stored
            with self._file.replacing() as save:
                stored = await refresh(self._login, stored)
                save(stored)
            log.info("refreshed the login of %s", self._login.portal_url)
            return stored


async def _completed(work: Coroutine[Any, Any, StoredTokens]) -> StoredTokens:
    """Let a refresh end even if its caller is cancelled: the portal may already have spent the old refresh token."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=CANCEL_GRACE_SECONDS)
        if task.done() and not task.cancelled():
            task.exception()  # retrieved, or asyncio would log that nobody did; the caller gets the cancellation
        raise
