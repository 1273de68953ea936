"""The token endpoint of the org: client credentials and JWT bearer (docs/facts/salesforce.md section 4)."""

import base64
import binascii
import hashlib
import hmac
import time
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.sandbox.kit.oauth import authorization, form_of, oauth_error, oauth_shape, same, site_of
from connector.sandbox.kit.routes import Call, json_response, open_door
from connector.sandbox.org.access import JWT_GRANT
from connector.sandbox.org.org import Org

_PATH = "/services/oauth2/token"


def oauth_routes(org: Org) -> list[Route]:
    """POST /services/oauth2/token."""
    return open_door(org, oauth_shape, org.lock).routes({_PATH: {"POST": _token}})


def _token(call: Call[Org]) -> Response:
    call.house.calls[f"POST {_PATH}"] += 1
    granted = _granted(call.house, call.request, form_of(call.body))
    return json_response(granted, headers={"Cache-Control": "no-cache, no-store"})


def _granted(org: Org, request: Request, form: dict[str, str]) -> dict[str, str]:
    """The members of the answer to a grant; raises Refusal."""
    grant = form.get("grant_type")
    if grant is None:
        raise oauth_error("invalid_request", "must supply a grant_type")
    if grant == JWT_GRANT:
        return _by_assertion(org, request, form.get("assertion", ""))
    if grant != "client_credentials":
        raise oauth_error("unsupported_grant_type", "grant type not supported")
    client_id, secret = _basic(request) or (form.get("client_id"), form.get("client_secret"))
    if not client_id or not same(client_id, org.client_id):
        raise oauth_error("invalid_client_id", "client identifier invalid")
    if not secret or not same(secret, org.client_secret):
        raise oauth_error("invalid_client", "invalid client credentials")
    return _session(org, request)


def _by_assertion(org: Org, request: Request, assertion: str) -> dict[str, str]:
    active = {row["Username"]: row["IsActive"] for row in org.records("User") if row["Id"] == org.user_id}
    org.jwt.verify(assertion, time.time(), site_of(request), active)
    # Fewer members than the other flow: neither a signature nor issued_at.
    session = _session(org, request)
    return {name: session[name] for name in ("access_token", "scope", "instance_url", "id", "token_type")}


def _session(org: Org, request: Request) -> dict[str, str]:
    # No expires_in and no refresh token: the published sample has neither.
    base = site_of(request)
    identity = f"https://login.salesforce.com/id/{org.sessions.org_id}/{org.user_id}"
    issued = str(time.time_ns() // 1_000_000)
    return {
        "access_token": org.sessions.issue(),
        "signature": _sign(org.client_secret, identity + issued),
        "token_format": "opaque",
        "scope": "api",
        "instance_url": base,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued,
        "api_instance_url": base,
    }


def _sign(secret: str, text: str) -> str:
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, encoded = authorization(request)
    if scheme != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(name), unquote(secret)
