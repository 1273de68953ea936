"""Servers that echo a login in their refusal: no command prints the password or the secret, in whatever spelling."""

from __future__ import annotations

import html
import json
import logging
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import pytest

from connector.absorb.login import password
from connector.cli.main import main

SECRETS = {
    "LEARNSYNC_ABSORB__API_KEY": "key/of+the=portal",
    "LEARNSYNC_ABSORB__PASSWORD": "p@ss word&<é>",
    "LEARNSYNC_SALESFORCE__CLIENT_SECRET": 'client"secret\\of 42',
    "LEARNSYNC_LEARNING_RECORDS__API_KEY": "records%key/42",
}
NAMES = {"LEARNSYNC_ABSORB__USERNAME": "ada", "LEARNSYNC_SALESFORCE__CLIENT_ID": "an-id"}


def spellings(secret: str) -> list[str]:
    def base64(text: str) -> str:
        return b64encode(text.encode()).decode()

    return [
        secret, quote(secret, safe=""), quote(secret, safe="").lower(), quote_plus(secret), json.dumps(secret)[1:-1],
        html.escape(secret), base64(secret), base64(f"an-id:{secret}"), base64(f"ada:{secret}"),
    ]  # fmt: skip


ECHO = " | ".join(text for secret in SECRETS.values() for text in spellings(secret))
BODIES = {
    "text": f"refused: {ECHO}",
    "a description": json.dumps({"error": "invalid_client", "error_description": ECHO, "request": "echo-of-ours"}),
    "Absorb's shape": json.dumps({"term": "ErrorLogin", "message": ECHO, "validations": ["echo-of-ours"]}),
    "a page": f"<html><body>echo-of-ours {html.escape(ECHO)}</body></html>",
}


class Echo(BaseHTTPRequestHandler):
    """Refuses everything, with the logins in its answer."""

    status, body = 400, b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(self.status)
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def learnsync(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["learnsync", *arguments])
        patch.setattr(password, "_accounts", {})
        patch.setattr(logging.getLogger(), "handlers", [])
        with pytest.raises(SystemExit) as left:
            main()
    return int(left.value.code or 0)


@pytest.mark.parametrize("status", [200, 400, 401, 403])
@pytest.mark.parametrize("body", BODIES)
def test_no_command_prints_an_echoed_login(
    body: str, status: int, echo: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (SECRETS | NAMES).items():
        monkeypatch.setenv(name, value)
    for name in ("ABSORB__BASE_URL", "SALESFORCE__LOGIN_URL", "LEARNING_RECORDS__BASE_URL"):
        monkeypatch.setenv(f"LEARNSYNC_{name}", echo)
    monkeypatch.setattr(Echo, "status", status)
    monkeypatch.setattr(Echo, "body", BODIES[body].encode())
    assert learnsync("doctor") != 0
    captured = capsys.readouterr()
    printed = captured.out + captured.err
    # The LearningRecord API has no login: its key goes with every call, and a 400 is about the call.
    logins = [line for line in printed.splitlines() if status != 400 or "LearningRecord" not in line]
    assert "echo-of-ours" not in "".join(logins), "more of the body than code and description"
    for secret in SECRETS.values():
        for text in spellings(secret):
            assert text not in printed
        for decoded in (unquote(printed), unquote_plus(printed), html.unescape(printed)):
            assert secret not in decoded
