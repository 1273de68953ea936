"""The OAuth 2.0 token endpoint of the portal host: tokens for a code, and tokens for a refresh token.

Facts: docs/facts/absorb.md section 2. Endpoints are on the tenant's own host, not on the REST gateway; authorization
code and refresh token, scope admin.v1, no PKCE; the code works once; an access token lives 4 hours, a refresh token a
year. Unlike tokens of /authenticate, these do not revoke one another (the vendor's wording implies it; not tried).
Whether a refresh hands out a new refresh token is not known: one that comes replaces the old.
"""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from connector import redact
from connector.absorb.login.token_file import LOGIN_REMEDY, StoredTokens
from connector.absorb.login.tokens import LIFETIME_SECONDS
from connector.errors import ApiError, AuthenticationError, ProtocolError
from connector.http.answers import Answer, json_or_none
from connector.http.ratelimit import Gate
from connector.http.refusals import explained, read_refusals
from connector.http.session import HttpSession
from connector.settings import OAuthLogin
from connector.times import utc_now

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
    if not isinstance(access, str) or not access:
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
    return explained(REFUSALS, answer, code, grant=kind, **remedies)
