"""Login by OAuth: the access token of the token file, refreshed when it ends or is refused."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

from connector import redact
from connector.absorb.login.token_endpoint import refresh
from connector.absorb.login.token_file import LOGIN_REMEDY, StoredTokens, TokenFile
from connector.absorb.login.tokens import Account, Authenticator, Token
from connector.errors import AuthenticationError
from connector.settings import OAuthLogin
from connector.times import utc_now

log = logging.getLogger(__name__)

# How long a cancelled run waits for a refresh under way: its answer may hold the only refresh token that still works.
CANCEL_GRACE_SECONDS = 15.0


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
        self._refused = ""
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
            self._check_burst(refused, usual=0)
            log.warning("the token was refused after %.0f s, before its time; refreshing", refused.age)
            self._account.renewals.append(time.monotonic())
            self._refused = refused.value
            self._account.token = None

    def _is_usable(self, stored: StoredTokens) -> bool:
        return stored.access_token != self._refused and stored.fresh(utc_now())

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
