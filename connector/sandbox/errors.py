"""The portal's error bodies (docs/facts/absorb.md section 3)."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

SEMANTIC = "Submitted resource cannot be processed due to semantic errors"


class ApiError(Exception):
    """An answer other than the one that was asked for."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body.get("message", ""))
        self.status = status
        self.body = body

    def response(self) -> Response:
        return json_response(self.body, self.status)


def json_response(body: object, status: int = 200) -> Response:
    """Any JSON answer."""
    return Response(json.dumps(body).encode(), status_code=status, media_type="application/json")


def gateway_error(status: int, message: str) -> ApiError:
    """The API gateway in front of the portal answers with a bare message."""
    return ApiError(status, {"message": message})


def portal_error(status: int, message: str, term: str, validations: list[str] | None = None) -> ApiError:
    """The portal itself answers with its own shape."""
    details = [{"message": text} for text in validations or []]
    body = {"validations": details, "code": status, "message": message, "term": term, "_meta": {}}
    return ApiError(status, body)


def not_found() -> ApiError:
    return portal_error(404, "The requested resource was not found.", "ErrorNotFound")


def unprocessable(detail: str) -> ApiError:
    """A query or a body that the portal cannot make sense of; the term is docs/facts/absorb.md section 3."""
    return portal_error(422, SEMANTIC, "ErrorGeneric", [detail])


def unknown_path(authorization: str | None) -> ApiError:
    """What the gateway says about a path it has no route for: it reads like an auth fault and is none."""
    if not authorization:
        return gateway_error(403, "Missing Authentication Token")
    token = authorization.split(" ")[-1]
    return gateway_error(
        403,
        f"'{token}' not a valid key=value pair (missing equal-sign) in Authorization header: '{authorization}'.",
    )
