"""What the token endpoints and the gates behind them share, whichever house they belong to."""

import hmac
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request

from connector.sandbox.kit.errors import Refusal


def oauth_shape(refusal: Refusal) -> dict[str, Any]:
    """An error of a token endpoint (RFC 6749 section 5.2)."""
    described = {"error_description": refusal.message} if refusal.message else {}
    return {"error": refusal.code, **described}


def oauth_error(error: str, description: str = "", status: int = 400) -> Refusal:
    """The refusal of a token request."""
    return Refusal(status, error, description)


def form_of(body: bytes) -> dict[str, str]:
    """The first value of each field of a form."""
    return {name: values[0] for name, values in parse_qs(body.decode(errors="replace")).items()}


def same(offered: str, wanted: str) -> bool:
    """Whether two secrets are equal, compared in constant time."""
    return hmac.compare_digest(offered.encode(), wanted.encode())


def authorization(request: Request) -> tuple[str, str]:
    """The scheme in lower case and the rest of the Authorization header; two empty texts where there is none."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    return scheme.lower(), rest.strip()


def site_of(request: Request) -> str:
    """Scheme and host under which the caller reached the sandbox."""
    return f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
