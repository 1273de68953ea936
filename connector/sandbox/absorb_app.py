"""The Absorb Integration API v2 over HTTP: the route table and what each operation does.

Operations: docs/facts/absorb.md section 1. To add one, write a handler and name it in ``ROUTES``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.sandbox import absorb_details as details
from connector.sandbox import absorb_writes as writes
from connector.sandbox.absorb_context import Context, Handler, body_of, folded
from connector.sandbox.control import control_routes
from connector.sandbox.details import DetailStore
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
from connector.sandbox.listing import Lister
from connector.sandbox.malformed import spoil
from connector.sandbox.oauth import oauth_routes
from connector.sandbox.odata import Condition
from connector.sandbox.portal import Portal

EVERYTHING = Condition("1 = 1")


def create_absorb_app(portal: Portal, options: AbsorbOptions | None = None) -> ASGIApp:
    """Serve ``portal``; the sandbox-only control endpoints live under ``/_sandbox/``."""
    options = options or AbsorbOptions()
    profile = options.profile()
    if profile.malformed_rows:
        spoil(portal)
    context = Context(portal, Gateway(options), Lister(portal, profile), DetailStore(portal), options.username)
    routes = [Route(path, _guarded(context, path, handler), methods=methods) for methods, path, handler in ROUTES]
    middleware = [Middleware(_LowerCasePath)]
    if options.gzip:
        middleware.append(Middleware(GZipMiddleware))
    app = Starlette(
        routes=[
            *routes,
            *oauth_routes(context.gateway.oauth, context.gateway.requests),
            *control_routes(portal, context.gateway),
        ],
        middleware=middleware,
        exception_handlers={404: _no_route, 405: _no_route},
    )
    app.router.redirect_slashes = False
    # Outside Starlette, because hanging up takes the server's own send method.
    return FaultMiddleware(app, profile=profile, seed=options.seed)


class _LowerCasePath:
    """Paths are case-insensitive behind the gateway (docs/facts/absorb.md section 1)."""

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


async def authenticate(context: Context, request: Request) -> Response:
    """Mint a token: a bare JSON string (docs/facts/absorb.md section 2)."""
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


async def create_for_course(context: Context, request: Request) -> Response:
    """POST /users/{userId}/enrollments/{courseId}"""
    path = request.path_params
    again = writes.flag(request.query_params, "reEnroll")
    return details.enrolled(context, path["user_id"], path["course_id"], {}, again=again)


async def create_or_update(context: Context, request: Request) -> Response:
    """POST /users/{userId}/enrollments; the body names the course and the settable properties."""
    fields = folded(await body_of(request))
    course = writes.guid(fields.get("courseid"), "courseId")
    again = writes.flag(request.query_params, "reEnroll")
    changes = writes.settable(fields)
    return details.enrolled(context, request.path_params["user_id"], course, changes, again=again)


async def unenroll(context: Context, request: Request) -> Response:
    """The body is a JSON array of enrollment ids; the rows vanish."""
    return json_response(writes.unenroll(context.portal, await body_of(request)))


async def bulk(context: Context, request: Request) -> Response:
    """Every enrollment of these users in these courses, as a plain array.

    How ids are listed is not known (docs/facts/absorb.md section 1): repeated keys and comma lists both work.
    """
    conditions, parameters = [], []
    for name, column in (("userIds", "user_id"), ("courseIds", "course_id")):
        listed = ",".join(request.query_params.getlist(name))
        ids = [writes.guid(text.strip(), name) for text in listed.split(",") if text.strip()]
        if ids:
            conditions.append(f"{column} IN ({', '.join('?' * len(ids))})")
            parameters += ids
    if not conditions:
        raise unprocessable("userIds or courseIds is required.")
    where = " AND ".join(conditions)
    found = context.portal.select(f"SELECT json FROM enrollments WHERE {where} ORDER BY seq", parameters)
    return json_response([json.loads(text) for (text,) in found])


async def my_enrollments(context: Context, request: Request) -> Response:
    """GET /my-enrollments"""
    scope = Condition("user_id = ?", (context.me(),))
    return context.lister.answer("enrollments", request.query_params, scope)


async def my_enrollment(context: Context, request: Request) -> Response:
    """GET /my-enrollments/{courseId}"""
    return details.current_enrollment(context, context.me(), request.path_params["course_id"], request)


async def enroll_me(context: Context, request: Request) -> Response:
    """POST /enroll/{courseId}"""
    return details.enrolled(context, context.me(), request.path_params["course_id"], {}, again=False)


PAIR = "/users/{user_id}/enrollments/{course_id}"
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
    # The method is not known (docs/facts/absorb.md section 1, row 9): both plausible ones work.
    (["POST", "DELETE"], "/enrollments/unenroll", unenroll),
    (["GET"], "/enrollments/{row_id}", _single("enrollments")),
    (["GET"], f"{PAIR}", details.enrollment_of_pair),
    (["POST"], f"{PAIR}", create_for_course),
    (["GET"], "/courses/{course_id}/enrollments/{user_id}", details.enrollment_of_pair),
    (["GET"], "/bulk/student-courses", bulk),
    # Session enrollments
    (["GET"], f"{PAIR}/sessions", details.array("session_enrollments")),
    (["GET"], f"{PAIR}/sessions/{{session_id}}", details.single("session_enrollments", "session_id")),
    (["POST"], f"{PAIR}/sessions/{{session_id}}", details.enroll_in_session),
    (["GET"], "/courses/{course_id}/sessions/{session_id}/enrollments", details.of_session),
    # Chapter enrollments
    (["GET"], f"{PAIR}/chapters", details.array("chapter_enrollments")),
    (["GET"], f"{PAIR}/chapters/{{chapter_id}}", details.single("chapter_enrollments", "chapter_id")),
    # Lesson enrollments
    (["GET"], f"{PAIR}/lessons", details.array("lesson_enrollments")),
    (["GET"], f"{PAIR}/lessons/{{lesson_id}}", details.single("lesson_enrollments", "lesson_id")),
    (["GET"], f"{PAIR}/chapters/{{chapter_id}}/lessons", details.array("lesson_enrollments")),
    (
        ["GET"],
        f"{PAIR}/chapters/{{chapter_id}}/lessons/{{lesson_id}}",
        details.single("lesson_enrollments", "lesson_id"),
    ),
    (["GET"], "/courses/{course_id}/lessons/{lesson_id}/enrollments", details.of_lesson),
    # Attempts; whether one is finished by PUT or by POST is not known (docs/facts/absorb.md section 1, row 19)
    (["GET"], f"{PAIR}/lessons/{{lesson_id}}/attempts", details.attempts),
    (["POST"], f"{PAIR}/lessons/{{lesson_id}}/attempts", details.start_attempt),
    (["PUT", "POST"], "/attempts/{attempt_id}", details.finish_attempt),
    (["PUT", "POST"], f"{PAIR}/lessons/{{lesson_id}}/attempts/{{attempt_id}}", details.finish_attempt),
    # The account's own; enrolling oneself has two plausible paths (docs/facts/absorb.md section 1, row 21)
    (["GET"], "/my-enrollments", my_enrollments),
    (["GET"], "/my-enrollments/{course_id}", my_enrollment),
    (["POST"], "/enroll/{course_id}", enroll_me),
    (["POST"], "/my-enrollments/{course_id}", enroll_me),
]
