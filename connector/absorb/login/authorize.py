"""The part of an OAuth login that a person takes part in: the portal's page, and the way back to this process.

The portal sends the browser back to a port of this machine (RFC 8252 section 7.3), where one answer is taken. The
vendor's page says that a redirect URI "should always be https"; where a portal holds to that, an https address is
registered instead and the address that the browser ends on is handed over by the person.
"""

import hmac
import html
import queue
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from connector import redact
from connector.absorb.login.oauth import AUTHORIZE_PATH, SCOPE
from connector.absorb.login.token_file import LOGIN_REMEDY
from connector.errors import AuthenticationError, SettingsError
from connector.settings import OAuthLogin, variable

LOOPBACK_HOST = "127.0.0.1"
CALLBACK_PATH = "/callback"
PORT_VARIABLE = variable("absorb", "redirect_port")
TIMEOUT_SECONDS = 300.0
# A browser opens connections ahead of need; one that stays silent is dropped.
SILENCE_SECONDS = 10.0


def new_state() -> str:
    """A value that only the portal's answer to this login can carry."""
    return secrets.token_urlsafe(32)


def authorize_url(login: OAuthLogin, redirect_uri: str, state: str) -> str:
    """The page where an admin permits the access.

    The vendor's parameter table lists client_secret too. It is left out: the address ends up in the browser's history.
    """
    query = {
        "response_type": "code",
        "client_id": login.client_id,
        "redirect_uri": redirect_uri,
        "scope": SCOPE,
        "state": state,
    }
    return f"{login.portal_url}{AUTHORIZE_PATH}?{urlencode(query)}"


def read_answer(query: str, state: str) -> str:
    """The code in the query of the address that the portal sent the browser to. Raises AuthenticationError."""
    given = parse_qs(query, keep_blank_values=True)
    if not hmac.compare_digest(_only(given, "state").encode(), state.encode()):
        raise AuthenticationError(
            "The answer does not belong to this login (its state differs), so it was not used.",
            remedy=f"{LOGIN_REMEDY} Permit the access on the page that it opens, not on an older one.",
        )
    if "error" in given:
        raise _denial(_only(given, "error"), _only(given, "error_description"))
    code = _only(given, "code")
    if not code:
        raise AuthenticationError("The portal's answer holds no code.", remedy=LOGIN_REMEDY)
    redact.register(code)
    return code


def _only(given: dict[str, list[str]], name: str) -> str:
    """The parameter's value; nothing where it is missing or comes twice."""
    values = given.get(name, [])
    return values[0] if len(values) == 1 else ""


def _denial(error: str, description: str) -> AuthenticationError:
    if error == "access_denied":
        return AuthenticationError(
            "The access was not permitted on the portal's page.",
            remedy="Run `learnsync auth login` again and permit it, logged in as the admin that learnsync shall use.",
            code=error,
        )
    said = " ".join(part for part in (_plain(error), _plain(description)) if part)
    return AuthenticationError(
        f"The portal refused the login ({said or 'no reason given'}).",
        remedy="Check LEARNSYNC_ABSORB__OAUTH_CLIENT_ID, and that the client may use the redirect URI and the scope"
        f" {SCOPE} (docs/absorb-oauth.md).",
        code=_plain(error),
    )


def _plain(text: str) -> str:
    """Text from outside, fit for a terminal: no control characters, not endless."""
    return "".join(letter for letter in text if letter.isprintable())[:200]


class Receiver(ThreadingHTTPServer):
    """Takes the portal's answer on a port of this machine: one request to /callback, whatever it brings."""

    daemon_threads = True

    def __init__(self, port: int, state: str) -> None:
        self.answers: queue.Queue[str] = queue.Queue()
        self.state = state
        self.taken = threading.Lock()  # by the first answer
        super().__init__((LOOPBACK_HOST, port), _Callback)
        self.redirect_uri = f"http://{LOOPBACK_HOST}:{self.server_address[1]}{CALLBACK_PATH}"

    @classmethod
    @contextmanager
    def listening(cls, port: int, state: str) -> Iterator[Self]:
        """Listen while the context lasts; port 0 takes a free one. Raises SettingsError when the port is taken."""
        try:
            server = cls(port, state)
        except OSError as failure:
            raise SettingsError(
                f"{PORT_VARIABLE} = {port}: cannot listen there ({failure.strerror or failure}).",
                remedy="Stop the program that uses the port, or set another one and register its redirect URI.",
            ) from None
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="oauth-redirect", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()
            thread.join(timeout=1.0)

    def wait(self, seconds: float) -> str:
        """The code. Raises AuthenticationError when the answer is none, is another login's, or does not come."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                # In short waits: on some platforms Ctrl-C does not interrupt a long one.
                return read_answer(self.answers.get(timeout=min(0.5, seconds)), self.state)
            except queue.Empty:
                continue
        raise AuthenticationError(
            f"No answer came from the portal within {seconds:g} s.",
            remedy=f"{LOGIN_REMEDY} The client's registered redirect URI must be {self.redirect_uri}.",
        )

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing when a browser hangs up."""


class _Callback(BaseHTTPRequestHandler):
    server: Receiver
    timeout = SILENCE_SECONDS
    server_version = "learnsync"
    sys_version = ""
    _headers: ClassVar[dict[str, str]] = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "Connection": "close",
    }

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path != CALLBACK_PATH:
            self._page(HTTPStatus.NOT_FOUND, "Nothing here", "This port waits for the answer of an Absorb login.")
            return
        if not self.server.taken.acquire(blocking=False):
            self._page(HTTPStatus.GONE, "Already answered", "This login has had its answer.")
            return
        try:
            self._reply(parts.query)
        finally:
            # After the page, or the process could end before the browser has it; also when the browser hung up.
            self.server.answers.put(parts.query)

    def _reply(self, query: str) -> None:
        try:
            read_answer(query, self.server.state)
        except AuthenticationError as refusal:
            self._page(HTTPStatus.BAD_REQUEST, "Not logged in", refusal.message)
        else:
            self._page(HTTPStatus.OK, "Thank you", "learnsync has the portal's answer; the terminal says how it went.")

    def _page(self, status: HTTPStatus, title: str, text: str) -> None:
        body = (
            f"<!doctype html><html lang=en><meta charset=utf-8><title>learnsync</title>"
            f"<body style='font-family:sans-serif;margin:4em'><h1>{html.escape(title)}</h1>"
            f"<p>{html.escape(text)}</p><p>You can close this window.</p></body></html>"
        ).encode()
        self.send_response(status)
        for name, value in {**self._headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the standard library's
        """Nothing: the request line holds the code."""
