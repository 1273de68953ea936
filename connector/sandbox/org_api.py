"""What every resource of the sandbox org shares: sessions, versions, counting, headers and error bodies.

Facts: docs/facts/salesforce.md section 3f. A resource is a plain function from a ``Call`` to a ``Response``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .org import Org
from .org_errors import RequestError

NEWEST = 67
OLDEST = 31
_VERSION = re.compile(r"v(\d{1,3})\.0")
_MAX_URI = 16_384


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request."""

    org: Org
    request: Request
    body: bytes
    version: str
    user: str

    @property
    def path(self) -> dict[str, Any]:
        """Parameters of the path."""
        return self.request.path_params

    def json(self) -> Any:
        """The body as JSON; 415 or 400 where it is none."""
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise RequestError(415, "UNSUPPORTED_MEDIA_TYPE", f"Content type {kind or 'missing'} is not supported")
        try:
            return json.loads(self.body)
        except ValueError as fault:
            raise RequestError(400, "JSON_PARSER_ERROR", f"{fault}") from fault

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object."""
        value = self.json()
        if not isinstance(value, dict):
            raise RequestError(400, "JSON_PARSER_ERROR", "The HTTP entity body must be a JSON object")
        return value


Resource = Callable[[Call], Response]


def resource(org: Org, path: str, **methods: Resource) -> Route:
    """A route under ``/services/data/{version}`` with one function per HTTP method."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        return serve(org, request, body, path, methods)

    full = "/services/data/{version}" + path
    route = Route(full, endpoint, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    route.name = path
    return route


def serve(org: Org, request: Request, body: bytes, path: str, methods: dict[str, Resource]) -> Response:
    """Admits a request, runs its function and dresses the answer."""
    try:
        version = api_version(request)
        with org.lock:
            org.calls[f"{request.method} {path or '/'}"] += 1
            user = org.sessions.admit(request.headers.get("authorization")) or org.user_id
        function = methods.get("GET" if request.method == "HEAD" else request.method)
        if function is None:
            raise not_allowed(request.method, list(methods))
        response = function(Call(org, request, body, version, user))
    except RequestError as refusal:
        response = JSONResponse(refusal.as_list(), status_code=refusal.status)
    response.headers["Sforce-Limit-Info"] = org.sessions.usage
    return response


def api_version(request: Request) -> str:
    """The version in the path; 404 for one that does not exist, 410 for one that is retired."""
    if len(request.url.path) + len(request.url.query) > _MAX_URI:
        raise RequestError(414, "URI_TOO_LONG", "The request URI exceeds 16384 bytes")
    match = _VERSION.fullmatch(request.path_params["version"])
    if match is None or int(match[1]) > NEWEST:
        raise RequestError(404, "NOT_FOUND", "The requested resource does not exist")
    if int(match[1]) < OLDEST:
        raise RequestError(410, "UNSUPPORTED_API_VERSION", "The requested API version is retired")
    return f"{match[1]}.0"


def not_allowed(method: str, allowed: Sequence[str]) -> RequestError:
    """The refusal of a method."""
    return RequestError(
        405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed. Allowed are {','.join(allowed)}"
    )


def open_route(path: str, function: Callable[[Request, bytes], Response], methods: Sequence[str] = ("GET",)) -> Route:
    """A route without session, version or count."""

    async def endpoint(request: Request) -> Response:
        return function(request, await request.body())

    handler: Callable[[Request], Awaitable[Response]] = endpoint
    return Route(path, handler, methods=list(methods))
