"""The portal's refusals and their bodies (docs/facts/absorb.md section 3)."""

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request

from connector.sandbox.kit.errors import Refusal


def portal_shape(refusal: Refusal) -> dict[str, Any]:
    """The API gateway in front of the portal answers with a bare message, the portal itself with its own shape."""
    if not refusal.code:
        return {"message": refusal.message}
    validations = [{"message": text} for text in refusal.details]
    named = {"code": refusal.status, "message": refusal.message, "term": refusal.code}
    return {"validations": validations, **named, "_meta": {}}


def gateway_error(status: int, message: str) -> Refusal:
    """A refusal by the gateway."""
    return Refusal(status, "", message)


def not_found(*validations: str) -> Refusal:
    """The portal has no such row any more."""
    return Refusal(404, "ErrorNotFound", "The requested resource was not found.", *validations)


def bad_request(message: str, *validations: str) -> Refusal:
    """A body that is not the one that was asked for."""
    return Refusal(400, "ErrorBadRequest", message, *validations)


def unprocessable(detail: str) -> Refusal:
    """A query or a body that the portal cannot make sense of; the term is docs/facts/absorb.md section 3."""
    message = "Submitted resource cannot be processed due to semantic errors"
    return Refusal(422, "ErrorGeneric", message, detail)


def wrong_method(method: str, _offered: Iterable[str]) -> Refusal:
    """A path that exists, asked with a method that it does not have."""
    return gateway_error(405, f"The requested resource does not support http method '{method}'.")


def unknown_path(request: Request, _status: int) -> Refusal:
    """The answer to a path without a route: its text looks like a failed login although it is none."""
    authorization = request.headers.get("authorization")
    if not authorization:
        return gateway_error(403, "Missing Authentication Token")
    text = "not a valid key=value pair (missing equal-sign) in Authorization header"
    return gateway_error(403, f"'{authorization.split(' ')[-1]}' {text}: '{authorization}'.")
