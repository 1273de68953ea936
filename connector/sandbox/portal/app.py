"""The Absorb Integration API v2 over HTTP: the route table and what each operation does.

Operations: docs/facts/absorb.md section 1. To add one, write a handler and name it in ``ROUTES``.
"""

from dataclasses import dataclass
from functools import partial

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.faults import by_profile
from connector.sandbox.kit.routes import Door, Table, application, json_response
from connector.sandbox.portal import detail_routes as details
from connector.sandbox.portal import writes
from connector.sandbox.portal.context import Call, Handler, House, body_of, folded
from connector.sandbox.portal.control import control_routes
from connector.sandbox.portal.details import DetailStore
from connector.sandbox.portal.errors import (
    bad_request,
    gateway_error,
    not_found,
    portal_shape,
    unknown_path,
    unprocessable,
    wrong_method,
)
from connector.sandbox.portal.gateway import AbsorbOptions, Gateway
from connector.sandbox.portal.listing import Lister
from connector.sandbox.portal.malformed import spoil
from connector.sandbox.portal.oauth import oauth_routes
from connector.sandbox.portal.odata import Condition
from connector.sandbox.portal.state import Portal

_LOGIN = "/authenticate"
_WITHIN = ("", "/chapters/{chapter_id}")


def create_absorb_app(portal: Portal, options: AbsorbOptions | None = None) -> ASGIApp:
    """Serve ``portal``; the sandbox-only control endpoints live under ``/_sandbox/``."""
    options = options or AbsorbOptions()
    profile = options.profile()
    if profile.malformed_rows:
        spoil(portal)
    house = House(portal, Gateway(options), Lister(portal, profile), DetailStore(portal), options.username)
    gateway = house.gateway
    routes = [
        *Door(partial(_admit, house), portal_shape, other_method=wrong_method, lock=portal.lock).routes(ROUTES),
        *oauth_routes(gateway.oauth, gateway.requests),
        *control_routes(house),
    ]
    middleware = [Middleware(_LowerCasePath), *([Middleware(GZipMiddleware)] if options.gzip else [])]
    app = application(routes, unknown_path, portal_shape, middleware)
    app.router.redirect_slashes = False
    # Outside Starlette, because hanging up takes the server's own send method.
    return by_profile(app, profile, options.seed)


def _admit(house: House, request: Request, body: bytes, path: str) -> Call:
    """Count the call, admit it, and check its token, which logging in has not got yet."""
    house.gateway.requests[f"{request.method} {path}"] += 1
    house.gateway.admit(request)
    if path != _LOGIN:
        house.gateway.authorize(request)
    return Call(house, request, body)


@dataclass
class _LowerCasePath:
    """Paths are case-insensitive behind the gateway (docs/facts/absorb.md section 1)."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["path"].lower()}
        await self.app(scope, receive, send)


def authenticate(call: Call) -> Response:
    """Mint a token: a bare JSON string (docs/facts/absorb.md section 2)."""
    try:
        fields = folded(body_of(call))
    except Refusal as error:
        raise bad_request("The request body is missing or not JSON.") from error
    wanted = ("username", "password", "privatekey")
    missing = [name for name in wanted if not isinstance(fields.get(name), str) or not fields[name]]
    if missing:
        raise bad_request("The request is invalid.", *(f"The {name} field is required." for name in missing))
    return json_response(call.house.gateway.mint(*(fields[name] for name in wanted)))


def _listed(stream: str) -> Handler:
    return lambda call: call.house.lister.answer(stream, call.query, Condition("1 = 1"))


def _scoped(stream: str, column: str) -> Handler:
    """The enrollments of one course or one user; 404 when there is no such thing any more."""

    def handler(call: Call) -> Response:
        owner = call.path[column]
        status = call.house.portal.refusal(owner)
        if status == 404 or not call.house.portal.has(stream, owner):
            raise not_found()
        if status:
            raise gateway_error(status, "The list cannot be served.")
        return call.house.lister.answer("enrollments", call.query, Condition(f"{column} = ?", (owner,)))

    return handler


def _single(stream: str) -> Handler:
    def handler(call: Call) -> Response:
        row = call.house.portal.get(stream, call.path["row_id"])
        if row is None:
            raise not_found()
        return json_response(row)

    return handler


def create_for_course(call: Call) -> Response:
    """POST /users/{userId}/enrollments/{courseId}"""
    path = call.path
    again = writes.flag(call.query, "reEnroll")
    return details.enrolled(call.house, path["user_id"], path["course_id"], {}, again=again)


def create_or_update(call: Call) -> Response:
    """POST /users/{userId}/enrollments; the body names the course and the settable properties."""
    fields = folded(body_of(call))
    course = writes.guid(fields.get("courseid"), "courseId")
    again = writes.flag(call.query, "reEnroll")
    changes = writes.settable(fields, dates=call.house.portal.keeps_dates)
    return details.enrolled(call.house, call.path["user_id"], course, changes, again=again)


def unenroll(call: Call) -> Response:
    """The body is a JSON array of enrollment ids; the rows vanish."""
    return json_response(writes.unenroll(call.house.portal, body_of(call)))


def bulk(call: Call) -> Response:
    """Every enrollment of these users in these courses, as a plain array.

    How ids are listed is not known (docs/facts/absorb.md section 1): repeated keys and comma lists both work.
    """
    conditions, parameters = [], []
    for name, column in (("userIds", "user_id"), ("courseIds", "course_id")):
        listed = ",".join(call.request.query_params.getlist(name))
        ids = [writes.guid(text.strip(), name) for text in listed.split(",") if text.strip()]
        if ids:
            conditions.append(f"{column} IN ({', '.join('?' * len(ids))})")
            parameters += ids
    if not conditions:
        raise unprocessable("userIds or courseIds is required.")
    where = " AND ".join(conditions)
    return json_response(
        call.house.portal.documents(f"SELECT json FROM enrollments WHERE {where} ORDER BY seq", parameters)
    )


def my_enrollments(call: Call) -> Response:
    """GET /my-enrollments"""
    scope = Condition("user_id = ?", (call.house.me(),))
    return call.house.lister.answer("enrollments", call.query, scope)


def my_enrollment(call: Call) -> Response:
    """GET /my-enrollments/{courseId}"""
    return details.current_enrollment(call, call.house.me())


def enroll_me(call: Call) -> Response:
    """POST /enroll/{courseId}"""
    return details.enrolled(call.house, call.house.me(), call.path["course_id"], {}, again=False)


PAIR = "/users/{user_id}/enrollments/{course_id}"
# One method per operation; where docs/facts/absorb.md section 1 leaves it open (rows 8, 9, 19, 21), the likelier one.
ROUTES: Table[Call] = {
    _LOGIN: {"POST": authenticate},
    **{f"/{stream}": {"GET": _listed(stream)} for stream in ("users", "courses", "departments")},
    **{f"/{stream}/{{row_id}}": {"GET": _single(stream)} for stream in ("users", "courses", "departments")},
    "/courses/{course_id}/enrollments": {"GET": _scoped("courses", "course_id")},
    "/users/{user_id}/enrollments": {"GET": _scoped("users", "user_id"), "POST": create_or_update},
    "/enrollments/unenroll": {"POST": unenroll},
    "/enrollments/{row_id}": {"GET": _single("enrollments")},
    PAIR: {"GET": details.enrollment_of_pair, "POST": create_for_course},
    "/courses/{course_id}/enrollments/{user_id}": {"GET": details.enrollment_of_pair},
    "/bulk/student-courses": {"GET": bulk},
    # Session enrollments
    f"{PAIR}/sessions": {"GET": details.array("session_enrollments")},
    f"{PAIR}/sessions/{{session_id}}": {
        "GET": details.single("session_enrollments", "session_id"),
        "POST": details.enroll_in_session,
    },
    "/courses/{course_id}/sessions/{session_id}/enrollments": {"GET": details.of_session},
    # Chapter enrollments
    f"{PAIR}/chapters": {"GET": details.array("chapter_enrollments")},
    f"{PAIR}/chapters/{{chapter_id}}": {"GET": details.single("chapter_enrollments", "chapter_id")},
    # Lesson enrollments
    **{f"{PAIR}{within}/lessons": {"GET": details.array("lesson_enrollments")} for within in _WITHIN},
    **{
        f"{PAIR}{within}/lessons/{{lesson_id}}": {"GET": details.single("lesson_enrollments", "lesson_id")}
        for within in _WITHIN
    },
    "/courses/{course_id}/lessons/{lesson_id}/enrollments": {"GET": details.of_lesson},
    # Attempts; the vendor's page has two operations that finish one
    f"{PAIR}/lessons/{{lesson_id}}/attempts": {"GET": details.attempts, "POST": details.start_attempt},
    **{
        f"{start}/attempts/{{attempt_id}}": {"PUT": details.finish_attempt}
        for start in ("", f"{PAIR}/lessons/{{lesson_id}}")
    },
    # The account's own
    "/my-enrollments": {"GET": my_enrollments},
    "/my-enrollments/{course_id}": {"GET": my_enrollment},
    "/enroll/{course_id}": {"POST": enroll_me},
}
