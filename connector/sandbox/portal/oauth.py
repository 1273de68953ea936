"""OAuth 2.0 of the portal host (docs/facts/absorb.md section 2): authorization code and refresh token, scope admin.v1.

The page stands for the portal's login and consent: whoever presses the button permits the access as the sandbox's
admin. Codes work once and for a minute; a refresh spends its token and hands out a new pair, which is the harder of
the two behaviours that the documentation leaves open. Error answers follow RFC 6749 sections 4.1.2.1 and 5.2.
"""

import html
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from importlib import resources
from string import Template
from urllib.parse import urlencode, urlsplit

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from connector.sandbox.kit.oauth import form_of, oauth_error, oauth_shape, same
from connector.sandbox.kit.routes import Call, json_response, open_door

SCOPE = "admin.v1"
CODE_SECONDS = 60.0
REFRESH_SECONDS = 365 * 86_400.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ASKED = ("response_type", "client_id", "redirect_uri", "scope", "state")


@dataclass
class OAuthClient:
    """The portal's OAuth client, as Portal Settings shows it. No registered URIs: any loopback address will do."""

    client_id: str = field(default_factory=lambda: f"sandbox-{secrets.token_hex(8)}")
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    redirect_uris: tuple[str, ...] = ()

    def allows(self, redirect_uri: str) -> bool:
        """Whether the browser may be sent there."""
        if self.redirect_uris:
            return redirect_uri in self.redirect_uris
        try:
            return urlsplit(redirect_uri).hostname in _LOOPBACK
        except ValueError:
            return False


class OAuthServer:
    """Codes and tokens that are good at the moment. Tokens do not revoke one another."""

    def __init__(self, client: OAuthClient, lifetime: float, clock: Callable[[], float]) -> None:
        self.client = client
        self._lifetime = lifetime
        self._clock = clock
        self._codes: dict[str, tuple[str, float]] = {}
        self._access: dict[str, float] = {}
        self._refresh: dict[str, float] = {}

    def accepts(self, token: str) -> bool:
        """Whether an access token is live."""
        ends = self._access.get(token)
        return ends is not None and self._clock() < ends

    def permit(self, redirect_uri: str) -> str:
        """A code for an access that was permitted."""
        code = secrets.token_urlsafe(32)
        self._codes[code] = (redirect_uri, self._clock() + CODE_SECONDS)
        return code

    def grant(self, form: Mapping[str, str]) -> dict[str, object]:
        """The token endpoint: a pair for a code or for a refresh token. Raises Refusal."""
        known = same(form.get("client_id", ""), self.client.client_id)
        if not (known and same(form.get("client_secret", ""), self.client.client_secret)):
            raise oauth_error("invalid_client", status=401)
        grant = form.get("grant_type", "")
        if grant == "authorization_code":
            self._spend_code(form)
        elif grant == "refresh_token":
            self._spend_refresh(form)
        else:
            raise oauth_error("unsupported_grant_type" if grant else "invalid_request")
        return self._issue()

    def _spend_code(self, form: Mapping[str, str]) -> None:
        redirect_uri, ends = self._codes.pop(form.get("code", ""), ("", 0.0))
        if not redirect_uri or self._clock() >= ends or redirect_uri != form.get("redirect_uri"):
            raise oauth_error("invalid_grant")

    def _spend_refresh(self, form: Mapping[str, str]) -> None:
        ends = self._refresh.pop(form.get("refresh_token", ""), None)
        if ends is None or self._clock() >= ends:
            raise oauth_error("invalid_grant")

    def _issue(self) -> dict[str, object]:
        access, refresh = secrets.token_urlsafe(48), secrets.token_urlsafe(48)
        now = self._clock()
        self._access[access] = now + self._lifetime
        self._refresh[refresh] = now + REFRESH_SECONDS
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self._lifetime,
            "refresh_token": refresh,
            "scope": SCOPE,
        }


def oauth_routes(server: OAuthServer, requests: Counter[str]) -> list[Route]:
    """GET and POST /oauth/authorize, POST /oauth/token. They ask for no API key: a browser has none."""

    def page(call: Call[OAuthServer]) -> Response:
        requests["GET /oauth/authorize"] += 1
        asked = {name: call.query.get(name, "") for name in _ASKED}
        return _obstacle(server, asked) or HTMLResponse(_form(asked))

    def decide(call: Call[OAuthServer]) -> Response:
        requests["POST /oauth/authorize"] += 1
        form = form_of(call.body)
        asked = {name: form.get(name, "") for name in _ASKED}
        obstacle = _obstacle(server, asked)
        if obstacle is not None:
            return obstacle
        if form.get("decision") != "permit":
            return _back(asked, {"error": "access_denied", "error_description": "The user denied the request."})
        return _back(asked, {"code": server.permit(asked["redirect_uri"])})

    def token(call: Call[OAuthServer]) -> Response:
        form = form_of(call.body)
        requests[f"POST /oauth/token {form.get('grant_type', '')}".strip()] += 1
        return json_response(server.grant(form))

    browser = open_door(server, oauth_shape, nullcontext())
    client = replace(browser, dress=lambda response: response.headers.update({"Cache-Control": "no-store"}))
    return [
        *browser.routes({"/oauth/authorize": {"GET": page, "POST": decide}}),
        *client.routes({"/oauth/token": {"POST": token}}),
    ]


def _obstacle(server: OAuthServer, asked: Mapping[str, str]) -> Response | None:
    """The error of an invalid request: shown here unless the redirect URI can be trusted, else sent there."""
    if asked["client_id"] != server.client.client_id or not server.client.allows(asked["redirect_uri"]):
        return HTMLResponse("<h1>Unknown client or redirect URI</h1>", status_code=400)
    if asked["response_type"] != "code":
        return _back(asked, {"error": "unsupported_response_type"})
    if SCOPE not in asked["scope"].split():
        return _back(asked, {"error": "invalid_scope"})
    return None


def _back(asked: Mapping[str, str], answer: Mapping[str, str]) -> Response:
    query = urlencode({**answer, **({"state": asked["state"]} if asked["state"] else {})})
    joint = "&" if "?" in asked["redirect_uri"] else "?"
    return RedirectResponse(f"{asked['redirect_uri']}{joint}{query}", status_code=302)


def _form(asked: Mapping[str, str]) -> str:
    shown = {name: html.escape(value) for name, value in asked.items()}
    hidden = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in shown.items())
    page = Template(resources.files("connector.sandbox.portal").joinpath("consent.html").read_text("utf-8"))
    return page.substitute(client=shown["client_id"], scope=shown["scope"], hidden=hidden)
