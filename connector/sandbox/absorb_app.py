"""The Absorb Integration API v2 over HTTP: the route table and what each operation does.

Operations: facts/absorb.md section 1. To add one, write a handler and name it in ``ROUTES``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.sandbox import absorb_writes as writes
from connector.sandbox.control import control_routes
from connector.sandbox.errors import (
    ApiError,
    json_response,
    not_found,
    portal_error,
    unknown_path,
    unprocessable,
)
from connector.sandbox.faults import FaultMiddleware
from connector.sandbox.gateway import AbsorbOptions, Gateway
from connector.sandbox.listing import Lister, deprecated_conditions
from connector.sandbox.malformed import spoil
from connector.sandbox.odata import Condition, FilterError
from connector.sandbox.portal import Portal

EVERYTHING = Condition("1 = 1")


@dataclass
class Context:
    """What a handler works with."""

    portal: Portal
    gateway: Gateway
    lister: Lister


Handler = Callable[[Context, Request], Awaitable[Response]]


def create_absorb_app(portal: Portal, options: AbsorbOptions | None = None) -> ASGIApp:
    """Serve ``portal``; the sandbox-only control endpoints live under ``/_sandbox/``."""
    options = options or AbsorbOptions()
    profile = options.profile()
    if profile.malformed_rows:
        spoil(portal)
    context = Context(portal, Gateway(options), Lister(portal, profile))
    routes = [Route(path, _guarded(context, path, handler), methods=methods) for methods, path, handler in ROUTES]
    middleware = [Middleware(_LowerCasePath)]
    if options.gzip:
        middleware.append(Middleware(GZipMiddleware))
    app = Starlette(
        routes=[*routes, *control_routes(portal, context.gateway)],
        middleware=middleware,
        exception_handlers={404: _no_route, 405: _no_route},
    )
    app.router.redirect_slashes = False
    # Outside Starlette, because hanging up takes the server's own send method.
    return FaultMiddleware(app, profile=profile, seed=options.seed)


class _LowerCasePath:
    """Paths are case-insensitive behind the gateway (facts/absorb.md section 1)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["path"].lower()}
        await self._app(scope, receive, send)


def _guarded(context: Context, template: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Count the call, admit it, check its token, and turn refusals into answers."""

    async def endpoint(request: Request) -> Response:
        context.gateway.requests[f"{request.method} {template}"] += 1
        try:
            context.gateway.admit(request)
            if handler is not authenticate:
                context.gateway.authorize(request)
            return await handler(context, request)
        except ApiError as error:
            return error.response()

    return endpoint


async def _no_route(request: Request, _error: Exception) -> Response:
    return unknown_path(request.headers.get("authorization")).response()


async def body_of(request: Request) -> Any:
    """The request's JSON body, or a 422."""
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise unprocessable("The request body is not valid JSON.") from error


def folded(body: object) -> dict[str, Any]:
    """A JSON object's properties without regard to case: PascalCase bodies work too."""
    if not isinstance(body, dict):
        raise unprocessable("The request body must be a JSON object.")
    return {str(name).casefold(): value for name, value in body.items()}


async def authenticate(context: Context, request: Request) -> Response:
    """Mint a token: a bare JSON string (facts/absorb.md section 2)."""
    try:
        fields = folded(await body_of(request))
    except ApiError as error:
        raise portal_error(400, "The request body is missing or not JSON.", "ErrorBadRequest") from error
    wanted = ("username", "password", "privatekey")
    missing = [name for name in wanted if not isinstance(fields.get(name), str) or not fields[name]]
    if missing:
        texts = [f"The {name} field is required." for name in missing]
        raise portal_error(400, "The request is invalid.", "ErrorBadRequest", texts)
    return json_response(context.gateway.mint(*(fields[name] for name in wanted)))


def _collection(stream: str) -> Handler:
    async def handler(context: Context, request: Request) -> Response:
        return context.lister.answer(stream, request.query_params, EVERYTHING)

    return handler


def _scoped(stream: str, parameter: str, column: str) -> Handler:
    """The enrollments of one course or one user; 404 when there is no such thing any more."""

    async def handler(context: Context, request: Request) -> Response:
        owner = request.path_params[parameter]
        if not context.portal.has(stream, owner):
            raise not_found()
        return context.lister.answer("enrollments", request.query_params, Condition(f"{column} = ?", (owner,)))

    return handler


def _single(stream: str) -> Handler:
    async def handler(context: Context, request: Request) -> Response:
        row = context.portal.get(stream, request.path_params["row_id"])
        if row is None:
            raise not_found()
        return json_response(row)

    return handler


async def enrollment_of_pair(context: Context, request: Request) -> Response:
    """A user's current enrollment in a course, narrowed by ``status`` and ``modifiedSince``."""
    path = request.path_params
    try:
        narrowed = deprecated_conditions(request.query_params)
    except FilterError as error:
        raise unprocessable(str(error)) from error
    found = context.portal.enrollments_of(
        path["user_id"], path["course_id"], where=narrowed.sql, parameters=narrowed.parameters
    )
    if not found:
        raise not_found()
    return json_response(found[0])


async def create_for_course(context: Context, request: Request) -> Response:
    """POST /users/{userId}/enrollments/{courseId}"""
    path = request.path_params
    again = writes.flag(request.query_params, "reEnroll")
    return json_response(*writes.enroll(context.portal, path["user_id"], path["course_id"], {}, again=again))


async def create_or_update(context: Context, request: Request) -> Response:
    """POST /users/{userId}/enrollments; the body names the course and the settable properties."""
    fields = folded(await body_of(request))
    course = writes.guid(fields.get("courseid"), "courseId")
    again = writes.flag(request.query_params, "reEnroll")
    changes = writes.settable(fields)
    user = request.path_params["user_id"]
    return json_response(*writes.enroll(context.portal, user, course, changes, again=again))


async def unenroll(context: Context, request: Request) -> Response:
    """The body is a JSON array of enrollment ids; the rows vanish."""
    return json_response(writes.unenroll(context.portal, await body_of(request)))


ROUTES: list[tuple[list[str], str, Handler]] = [
    (["POST"], "/authenticate", authenticate),
    (["GET"], "/users", _collection("users")),
    (["GET"], "/courses", _collection("courses")),
    (["GET"], "/departments", _collection("departments")),
    (["GET"], "/users/{row_id}", _single("users")),
    (["GET"], "/courses/{row_id}", _single("courses")),
    (["GET"], "/departments/{row_id}", _single("departments")),
    (["GET"], "/courses/{course_id}/enrollments", _scoped("courses", "course_id", "course_id")),
    (["GET"], "/users/{user_id}/enrollments", _scoped("users", "user_id", "user_id")),
    (["POST"], "/users/{user_id}/enrollments", create_or_update),
    (["GET"], "/users/{user_id}/enrollments/{course_id}", enrollment_of_pair),
    (["POST"], "/users/{user_id}/enrollments/{course_id}", create_for_course),
    (["GET"], "/courses/{course_id}/enrollments/{user_id}", enrollment_of_pair),
    # The method is not known (facts/absorb.md section 1, row 9): both plausible ones work.
    (["POST", "DELETE"], "/enrollments/unenroll", unenroll),
    (["GET"], "/enrollments/{row_id}", _single("enrollments")),
]
