"""The token endpoint of the sandbox org: client credentials and JWT bearer (docs/facts/salesforce.md section 4)."""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from urllib.parse import parse_qs, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .org import Org
from .org_api import open_route
from .org_jwt import JWT_GRANT, Refusal
from .org_sessions import sign


def oauth_routes(org: Org) -> list[Route]:
    """POST /services/oauth2/token."""

    def token(request: Request, body: bytes) -> Response:
        with org.lock:
            org.calls["POST /services/oauth2/token"] += 1
            return _token(org, request, body)

    return [open_route("/services/oauth2/token", token, ["POST"])]


def _token(org: Org, request: Request, body: bytes) -> Response:
    form = {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}
    grant = form.get("grant_type")
    if grant is None:
        return _refuse("invalid_request", "must supply a grant_type")
    if grant == JWT_GRANT:
        return _by_assertion(org, request, form.get("assertion", ""))
    if grant != "client_credentials":
        return _refuse("unsupported_grant_type", "grant type not supported")
    client_id, secret = _basic(request) or (form.get("client_id"), form.get("client_secret"))
    if not client_id or not _same(client_id, org.client_id):
        return _refuse("invalid_client_id", "client identifier invalid")
    if not secret or not _same(secret, org.client_secret):
        return _refuse("invalid_client", "invalid client credentials")
    return JSONResponse(_grant(org, request), headers={"Cache-Control": "no-cache, no-store"})


def _by_assertion(org: Org, request: Request, assertion: str) -> Response:
    active = {row["Username"]: row["IsActive"] for row in org.records("User") if row["Id"] == org.user_id}
    try:
        org.jwt.verify(assertion, time.time(), _base(request), active)
    except Refusal as refusal:
        return _refuse(refusal.error, refusal.description)
    # Fewer members than the other flow: neither a signature nor issued_at.
    grant = _grant(org, request)
    kept = ("access_token", "scope", "instance_url", "id", "token_type")
    return JSONResponse({name: grant[name] for name in kept}, headers={"Cache-Control": "no-cache, no-store"})


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"


def _grant(org: Org, request: Request) -> dict[str, str]:
    # No expires_in and no refresh token: the published sample has neither.
    base = _base(request)
    identity = f"https://login.salesforce.com/id/{org.sessions.org_id}/{org.user_id}"
    issued = str(time.time_ns() // 1_000_000)
    return {
        "access_token": org.sessions.issue(),
        "signature": sign(org.client_secret, identity + issued),
        "token_format": "opaque",
        "scope": "api",
        "instance_url": base,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued,
        "api_instance_url": base,
    }


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote(name), unquote(secret)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _refuse(error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status_code=400)
