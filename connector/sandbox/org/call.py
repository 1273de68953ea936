"""What all resources of the org share: sessions, versions, counting, headers (docs/facts/salesforce.md section 3f)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connector.sandbox.kit import routes
from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.oauth import authorization
from connector.sandbox.org.errors import not_found, org_shape, refused
from connector.sandbox.org.org import Org
from connector.sandbox.org.schema.model import ObjectSchema

NEWEST = 67
OLDEST = 31
PREFIX = "/services/data/{version}"
_VERSION = re.compile(r"v(\d{1,3})\.0")
_MAX_URI = 16_384


@dataclass(frozen=True)
class Call(routes.Call[Org]):
    """One authenticated request: the API version asked for, and the id of the user whom it acts for."""

    version: str
    user: str

    def expect_type(self, wanted: str) -> None:
        """415 where the Content-Type is another one."""
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != wanted:
            raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", f"Content type {kind or 'missing'} is not supported")

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object; 415 or 400 where it is none."""
        self.expect_type("application/json")
        value = self.parsed(unreadable)
        if not isinstance(value, dict):
            raise unreadable("The HTTP entity body must be a JSON object")
        return value

    def schema(self) -> ObjectSchema:
        """The object that the path names; 404 where the version does not know it."""
        schema = self.house.schema(self.path["object"])
        if float(self.version) < schema.since:
            raise not_found()
        return schema


def door(org: Org) -> routes.Door[Call]:
    """The way to all resources under ``PREFIX``: a version that exists and a live session are needed."""

    def admit(request: Request, body: bytes, path: str) -> Call:
        version = _api_version(request)
        org.calls[f"{request.method} {path or '/'}"] += 1
        user = org.sessions.admit(*authorization(request)) or org.user_id
        return Call(org, request, body, version, user)

    def dress(response: Response) -> None:
        response.headers["Sforce-Limit-Info"] = org.sessions.usage

    return routes.Door(admit, org_shape, dress, _not_allowed, org.lock)


def _api_version(request: Request) -> str:
    """The version in the path; 404 for one that does not exist, 410 for one that is retired."""
    if len(request.url.path) + len(request.url.query) > _MAX_URI:
        raise Refusal(414, "URI_TOO_LONG", "The request URI exceeds 16384 bytes")
    match = _VERSION.fullmatch(request.path_params["version"])
    if match is None or int(match[1]) > NEWEST:
        raise not_found()
    if int(match[1]) < OLDEST:
        raise Refusal(410, "UNSUPPORTED_API_VERSION", "The requested API version is retired")
    return f"{match[1]}.0"


def _not_allowed(method: str, allowed: Iterable[str]) -> Refusal:
    return Refusal(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed. Allowed are {','.join(allowed)}")


def unreadable(message: str) -> Refusal:
    """400 for a body that is not what the resource reads."""
    return refused("JSON_PARSER_ERROR", message)
