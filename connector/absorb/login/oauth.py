"""OAuth 2.0 of the portal host: tokens for a code, tokens for a refresh token, and who hands them to the client.

Facts: docs/facts/absorb.md section 2. Endpoints are on the tenant's own host, not on the REST gateway; authorization
code and refresh token, scope admin.v1, no PKCE; the code works once; an access token lives 4 hours, a refresh token a
year. Unlike tokens of /authenticate, these do not revoke one another (the vendor's wording implies it; not tried).
Whether a refresh hands out a new refresh token is not known: one that comes replaces the old.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine, Mapping
from datetime import timedelta
from typing import Any

from connector import redact
from connector.absorb.faults import is_wrong_path
from connector.absorb.login.auth import (
    BURST_MINTS,
    BURST_SECONDS,
    FRESH_SECONDS,
    LIFETIME_SECONDS,
    STRAY_PAUSE_SECONDS,
    STRAY_TRIES,
    Token,
    api_headers,
)
from connector.absorb.login.oauth_tokens import LOGIN_REMEDY, StoredTokens, TokenFile, age_seconds
from connector.errors import (
    ApiError,
    AuthenticationError,
    ProtocolError,
    ServerFaultError,
    ThrottledError,
    WrongPathError,
)
from connector.http.answers import Answer
from connector.http.ratelimit import Gate
from connector.http.session import HttpSession
from connector.settings import OAuthLogin
from connector.times import utc_now

log = logging.getLogger(__name__)

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
# A run that is stopped during a refresh waits this long for it to end: the answer may hold the only good token.
LAST_WORDS_SECONDS = 15.0


async def exchange(login: OAuthLogin, code: str, redirect_uri: str) -> StoredTokens:
    """Tokens for a code. Sent once: the portal takes a code once, and a repeat would only hide what went wrong."""
    redact.register(code)
    # Public clients send a nonce, as the vendor's page has it; a server that knows none ignores it (RFC 6749 3.2).
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "nonce": _nonce()}
    return _tokens(login, await _ask(login, form, repeatable=False), None)


async def refresh(login: OAuthLogin, stored: StoredTokens) -> StoredTokens:
    """New tokens for the stored refresh token. Raises AuthenticationError when somebody has to log in again."""
    if stored.refresh_token is None:
        raise AuthenticationError("The login has ended; the portal gave no refresh token.", remedy=LOGIN_REMEDY)
    form = {"grant_type": "refresh_token", "refresh_token": stored.refresh_token}
    # Repeatable: if a lost answer has spent the token, asking again costs nothing that the next run would not lose.
    return _tokens(login, await _ask(login, form, repeatable=True), stored)


def _nonce() -> str:
    return secrets.token_urlsafe(16)


async def _ask(login: OAuthLogin, form: Mapping[str, str], *, repeatable: bool) -> Answer:
    credentials = {"client_id": login.client_id, "client_secret": login.client_secret}
    # At this endpoint public clients send the client id as the key; the API key has no business on this host.
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
    access, successor = body.get("access_token"), body.get("refresh_token")
    if not isinstance(access, str) or not access:
        raise ProtocolError(
            f"POST {TOKEN_PATH} did not answer with a token.", remedy=PORTAL_REMEDY, status=answer.status
        )
    if not isinstance(successor, str) or not successor:
        successor = None
    now = utc_now()
    kept = successor is None and before is not None
    stored = StoredTokens(
        portal=login.portal_url,
        client_id=login.client_id,
        access_token=access,
        refresh_token=before.refresh_token if kept and before else successor,
        obtained_at=now,
        expires_at=now + timedelta(seconds=_lifetime(body.get("expires_in"))),
        refresh_obtained_at=before.refresh_obtained_at if kept and before else now,
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
    try:
        found = answer.json()
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _refusal(answer: Answer, grant: str) -> ApiError:
    """The error for a refused grant (RFC 6749 section 5.2), naming the setting or step that cures it."""
    error = _document(answer).get("error")
    facts: dict[str, Any] = {"status": answer.status, "body": answer.text, "code": str(error or "")}
    if error == "invalid_grant":
        what = "login" if grant == "refresh_token" else "code of this login"
        return AuthenticationError(
            f"The portal no longer accepts the {what} (invalid_grant): it ended or was withdrawn.",
            remedy=LOGIN_REMEDY,
            **facts,
        )
    if error in {"invalid_client", "unauthorized_client"} or (answer.status == 401 and not error):
        return AuthenticationError(
            f"The portal does not know this OAuth client ({error or answer.status}).", remedy=CLIENT_REMEDY, **facts
        )
    if answer.status == 429:
        return ThrottledError(f"The portal throttles POST {TOKEN_PATH}.", remedy="Run again later.", **facts)
    if answer.status >= 500:
        return ServerFaultError(
            f"The portal failed on POST {TOKEN_PATH} ({answer.status}).",
            remedy="Run again." if grant == "refresh_token" else LOGIN_REMEDY,
            **facts,
        )
    if 300 <= answer.status < 400 or answer.status in {404, 405} or is_wrong_path(answer):
        return WrongPathError(
            f"{answer.status}: there is no OAuth endpoint at POST {TOKEN_PATH} of this host.",
            remedy=PORTAL_REMEDY,
            **facts,
        )
    return AuthenticationError(
        f"The portal refused POST {TOKEN_PATH} ({answer.status}: {answer.text[:200]}).", remedy=CLIENT_REMEDY, **facts
    )


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


class OAuthAuthenticator:
    """Hands out the login's access token and refreshes it: same surface as `connector.absorb.login.auth.Authenticator`.

    The token file is what processes share. A refresh happens under its lock, and only if the file, read again under
    the lock, still holds the token that is of no use: however many processes notice, one refreshes.
    """

    def __init__(self, login: OAuthLogin) -> None:
        self._login = login
        self._file = TokenFile(login.token_file)
        self._stored: StoredTokens | None = None
        self._token: Token | None = None
        self._stale = ""
        self._flight = asyncio.Lock()
        self._replaced: list[float] = []
        redact.register(login.api_key, login.client_secret)

    @property
    def headers(self) -> dict[str, str]:
        """Headers every call needs, token apart."""
        return api_headers(self._login.api_key)

    async def token(self) -> Token:
        """The live token, refreshed if its time is up. Raises AuthenticationError."""
        async with self._flight:
            return await self._live()

    async def replace(self, refused: Token, tries: int) -> Token:
        """What to use after `refused` got a 401 for the `tries`-th time in one call. Raises AuthenticationError."""
        if refused.age < FRESH_SECONDS and tries < STRAY_TRIES:
            await asyncio.sleep(STRAY_PAUSE_SECONDS)
            return await self.token()
        async with self._flight:
            if self._token is refused:
                self._note_refusal(refused)
                self.forget()
            return await self._live()

    def forget(self) -> None:
        """Use the token no more: the next call takes a newer one from the file, or refreshes."""
        self._stale = self._token.value if self._token else self._stale
        self._token = None

    async def _live(self) -> Token:
        if self._token is None or self._stored is None or not self._stored.fresh(utc_now()):
            self._adopt(await self._usable())
        assert self._token is not None
        return self._token

    def _adopt(self, stored: StoredTokens) -> None:
        self._stored = stored
        if self._token is None or self._token.value != stored.access_token:
            self._token = Token(stored.access_token, time.monotonic() - age_seconds(stored))

    async def _usable(self) -> StoredTokens:
        stored = stored_login(self._login)
        return stored if self._good(stored) else await _see_through(self._refreshed())

    def _good(self, stored: StoredTokens) -> bool:
        return stored.access_token != self._stale and stored.fresh(utc_now())

    async def _refreshed(self) -> StoredTokens:
        async with self._file.locked():
            # Another process may have refreshed while this one waited for the lock.
            stored = stored_login(self._login)
            if self._good(stored):
                return stored
            with self._file.replacing() as save:
                stored = await refresh(self._login, stored)
                save(stored)
            log.info("refreshed the login of %s", self._login.portal_url)
            return stored

    def _note_refusal(self, refused: Token) -> None:
        """Raise AuthenticationError where refreshing again would lead nowhere."""
        now = time.monotonic()
        recent = [moment for moment in self._replaced if now - moment < BURST_SECONDS]
        self._replaced = [*recent, now]
        if recent and not refused.accepted:
            raise AuthenticationError(
                "Absorb's gateway refuses a token that the portal has just issued.",
                remedy="Check that LEARNSYNC_ABSORB__BASE_URL (or __REGION) is the gateway of the portal in"
                " LEARNSYNC_ABSORB__PORTAL_URL, and that the account which logged in is an active admin.",
                status=401,
            )
        if len(recent) >= BURST_MINTS:
            raise AuthenticationError(
                f"Absorb's gateway refused {len(recent)} tokens before their time within"
                f" {BURST_SECONDS / 60:.0f} minutes.",
                remedy="Find out who withdraws them (an admin, or another client), then `learnsync auth login`.",
                status=401,
            )
        log.warning("the token was refused after %.0f s, before its time; refreshing", refused.age)


async def _see_through(work: Coroutine[Any, Any, StoredTokens]) -> StoredTokens:
    """Let a refresh end even if the caller is stopped: the portal may already have spent the old refresh token."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=LAST_WORDS_SECONDS)
        if task.done() and not task.cancelled():
            task.exception()  # looked at, or asyncio would complain of it; the stop is what the caller hears of
        raise
