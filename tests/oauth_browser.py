"""Plays the admin's browser in an OAuth login: opens the portal's page, presses a button, follows the way back."""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import parse_qs, urlsplit

import httpx

from connector.sandbox.server import Sandbox

_HIDDEN = re.compile(r'name="(\w+)" value="([^"]*)"')


def decide(authorize_url: str, decision: str = "permit") -> str:
    """The address that the portal sends the browser to."""
    page = httpx.get(authorize_url)
    assert page.status_code == 200, page.text
    assert "Permit" in page.text
    fields = {name: value for name, value in _HIDDEN.findall(page.text) if name != "decision"}
    answer = httpx.post(authorize_url.partition("?")[0], data={**fields, "decision": decision})
    assert answer.status_code == 302
    return answer.headers["location"]


def follow(authorize_url: str, decision: str = "permit") -> httpx.Response:
    """What the process that waits for the answer shows the browser."""
    return httpx.get(decide(authorize_url, decision))


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def calls(sandbox: Sandbox) -> Counter[str]:
    """How often each operation was called."""
    return Counter(httpx.get(f"{sandbox.absorb_url}/_sandbox/state").json()["requests"])


REFRESHES = "POST /oauth/token refresh_token"
EXCHANGES = "POST /oauth/token authorization_code"
