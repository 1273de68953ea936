"""Kinds of values that several settings share."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from connector.settings.explain import complaint

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def check_url(value: str) -> str:
    """An absolute https URL without a trailing slash; plain http only for loopback hosts."""
    try:
        parts = urlsplit(value.strip())
        _ = parts.port
    except ValueError:
        raise complaint("is not a URL: check host and port") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise complaint("needs an absolute URL such as https://host.example")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise complaint("is plain http: use https:// (http is accepted for loopback hosts only)")
    if parts.query or parts.fragment:
        raise complaint("must be a URL without ? or #")
    if parts.username or parts.password:
        raise complaint("must not carry credentials; they have settings of their own")
    return value.strip().rstrip("/")


Url = Annotated[str | None, AfterValidator(lambda value: check_url(value) if value else None)]
Stripped = Annotated[str | None, AfterValidator(lambda value: (value.strip() or None) if value else None)]
