"""Handlers for what lies inside a course enrollment: sessions, chapters, lessons and attempts.

What a portal answers where the vendor's page is silent is reasoned, and marked so: the page names parameters and
shapes, never refusals (docs/facts/absorb.md section 1).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connector.sandbox import absorb_writes as writes
from connector.sandbox.absorb_context import Context, Handler, body_of, folded
from connector.sandbox.errors import json_response, not_found, unprocessable
from connector.sandbox.instants import canonical, naive_text
from connector.sandbox.lessons import LessonState, moment_of, new_attempt, retell
from connector.sandbox.listing import deprecated_conditions
from connector.sandbox.odata import Condition, FilterError
from connector.sandbox.portal import Row

_LONGEST_ATTEMPT = timedelta(hours=12)
# Nobody may begin a course while these hold: approval pending, declined, on a waitlist. Reasoned.
_CLOSED = {2, 6, 8}


# -- course enrollments that others lean on ----------------------------------------------------------


def narrowed(request: Request) -> Condition:
    """What ``status`` and ``modifiedSince`` ask for."""
    try:
        return deprecated_conditions(request.query_params)
    except FilterError as error:
        raise unprocessable(str(error)) from error


async def enrollment_of_pair(context: Context, request: Request) -> Response:
    """A user's current enrollment in a course, narrowed by ``status`` and ``modifiedSince``."""
    return current_enrollment(context, request.path_params["user_id"], request.path_params["course_id"], request)


def current_enrollment(context: Context, user_id: str, course_id: str, request: Request) -> Response:
    """The newest enrollment of a pair that the query lets pass, or a 404."""
    condition = narrowed(request)
    found = context.portal.enrollments_of(user_id, course_id, where=condition.sql, parameters=condition.parameters)
    if not found:
        raise not_found()
    return json_response(found[0])


def enrolled(context: Context, user_id: str, course_id: str, changes: dict[str, Any], *, again: bool) -> Response:
    """Create, re-enroll or update; multi-session ILCs are refused (docs/facts/absorb.md section 1)."""
    if context.details.outline(course_id).multi_session:
        raise unprocessable("Multi-Session ILCs are not supported.")
    body, status = writes.enroll(context.portal, user_id, course_id, changes, again=again)
    if status == 201:
        context.details.adopt(body["enrollmentId"])
    return json_response(body, status)


def _current(context: Context, request: Request) -> Row:
    """The enrollment of the path's user and course, the current one first, with its inside up to date."""
    path = request.path_params
    found = context.portal.enrollments_of(path["user_id"], path["course_id"])
    if not found:
        raise not_found()
    context.details.look_into(str(found[0]["id"]))
    return found[0]


# -- reading -----------------------------------------------------------------------------------------


def array(stream: str) -> Handler:
    """What one enrollment holds of a stream, as a plain array; within one chapter where the path names it."""

    async def handler(context: Context, request: Request) -> Response:
        return json_response(_found(context, request, stream))

    return handler


def single(stream: str, parameter: str) -> Handler:
    """One of them, or a 404."""

    async def handler(context: Context, request: Request) -> Response:
        found = _found(context, request, stream, parameter)
        if not found:
            raise not_found()
        return json_response(found[0])

    return handler


def _found(context: Context, request: Request, stream: str, parameter: str | None = None) -> list[Row]:
    condition, path = narrowed(request), request.path_params
    sql, parameters = condition.sql, [*condition.parameters]
    if parameter is not None:
        sql += " AND item_id = ?"
        parameters.append(path[parameter])
    enrollment = _current(context, request)
    if stream == "lesson_enrollments" and "chapter_id" in path:
        chapters = dict(context.details.outline(path["course_id"]).chapters)
        if path["chapter_id"] not in chapters:
            raise not_found()
        sql += " AND parent_id = ?"
        parameters.append(path["chapter_id"])
    return context.details.rows(stream, str(enrollment["id"]), Condition(sql, tuple(parameters)))


async def of_lesson(context: Context, request: Request) -> Response:
    """GET /courses/{courseId}/lessons/{lessonId}/enrollments, paged under ``lessonEnrollments``."""
    course_id, lesson_id = request.path_params["course_id"], request.path_params["lesson_id"]
    if lesson_id not in {lesson.lesson_id for lesson in context.details.outline(course_id).lessons}:
        raise not_found()
    context.details.look_into_course(course_id)
    scope = Condition("course_id = ? AND item_id = ?", (course_id, lesson_id))
    return context.lister.answer("lesson_enrollments", request.query_params, scope, collection="lessonEnrollments")


async def of_session(context: Context, request: Request) -> Response:
    """GET /courses/{courseId}/sessions/{sessionId}/enrollments, paged under ``enrollments``."""
    course_id, session_id = request.path_params["course_id"], request.path_params["session_id"]
    if session_id not in dict(context.details.outline(course_id).sessions):
        raise not_found()
    context.details.look_into_course(course_id)
    scope = Condition("course_id = ? AND item_id = ?", (course_id, session_id))
    return context.lister.answer("session_enrollments", request.query_params, scope, collection="enrollments")


async def attempts(context: Context, request: Request) -> Response:
    """A user's attempts at a lesson; the lesson enrollment's own id is a 404 (docs/facts/absorb.md section 1)."""
    return json_response(_lesson(context, request)[1].attempts)


def _lesson(context: Context, request: Request) -> tuple[Row, LessonState, list[LessonState]]:
    enrollment = _current(context, request)
    lessons = context.details.lessons(str(enrollment["id"]))
    return enrollment, _one(lessons, request.path_params["lesson_id"]), lessons


def _one(lessons: list[LessonState], lesson_id: str) -> LessonState:
    found = next((lesson for lesson in lessons if lesson.row["lessonId"] == lesson_id), None)
    if found is None:
        raise not_found()
    return found


# -- writing -----------------------------------------------------------------------------------------


async def enroll_in_session(context: Context, request: Request) -> Response:
    """Enroll into an instructor-led course and one of its sessions.

    Reasoned from the parameters' descriptions: ``reEnroll`` turns the current enrollment into history and makes a new
    one; ``cancelSession`` moves the learner over from another session, and without it such a learner is refused.
    """
    path = request.path_params
    user_id, course_id, session_id = path["user_id"], path["course_id"], path["session_id"]
    again, cancel = (writes.flag(request.query_params, name) for name in ("reEnroll", "cancelSession"))
    store = context.details
    if session_id not in dict(store.outline(course_id).sessions):
        raise not_found()
    with context.portal.lock:
        enrolled(context, user_id, course_id, {}, again=again)
        enrollment = _current(context, request)
        held = store.rows("session_enrollments", str(enrollment["id"]))
        row = next((one for one in held if one["sessionId"] == session_id), None)
        status = 200
        if row is None:
            if held and not cancel:
                raise unprocessable("The user is already enrolled in another session of this course.")
            row, status = store.add_session(str(enrollment["id"]), session_id, context.portal.stamp()), 201
    ids = {"enrollmentId": enrollment["id"], "sessionEnrollmentId": row["id"]}
    return json_response({"userId": user_id, "courseId": course_id, "sessionId": session_id, **ids}, status)


async def start_attempt(context: Context, request: Request) -> Response:
    """Open an attempt in a current enrollment; the course enrollment counts as begun."""
    with context.portal.lock:
        enrollment, lesson, lessons = _lesson(context, request)
        now = context.portal.stamp()
        _may_begin(enrollment, now)
        attempt = new_attempt(lesson, now, context.details.new_id())
        retell(lesson, now)
        context.details.save_lessons(enrollment, lessons, now)
    path = request.path_params
    return json_response({"attemptId": attempt["id"], "courseId": path["course_id"], "userId": path["user_id"]}, 201)


def _may_begin(enrollment: Row, now: datetime) -> None:
    if not enrollment.get("isActive"):
        raise not_found()  # "for active lesson enrollment", says the operation's title
    if enrollment.get("status") in _CLOSED:
        raise unprocessable("The enrollment is not open.")
    if (canonical(enrollment.get("accessDate")) or "") > (canonical(naive_text(now)) or ""):
        raise unprocessable("The course cannot be started before its access date.")


async def finish_attempt(context: Context, request: Request) -> Response:
    """Close an attempt and bring its lesson, chapter and course enrollments in line, dateEdited included.

    Finishing twice is taken as a correction. Reasoned.
    """
    fields, path = folded(await body_of(request)), request.path_params
    changes = _result(fields)
    with context.portal.lock:
        place = context.details.attempt_place(path["attempt_id"])
        enrollment = context.portal.get("enrollments", place[0]) if place else None
        if place is None or enrollment is None or not _is_there(enrollment, place[1], path):
            raise not_found()
        context.details.look_into(place[0])
        lessons = context.details.lessons(place[0])
        lesson = _one(lessons, place[1])
        attempt = next(one for one in lesson.attempts if str(one["id"]).lower() == path["attempt_id"])
        now = context.portal.stamp()
        attempt |= changes
        if attempt["status"] != 1:
            attempt["completionDate"] = changes.get("completionDate") or naive_text(now)
            attempt["timeSpentTicks"] = attempt["timeSpentTicks"] or _ticks(attempt)
        retell(lesson, now)
        context.details.save_lessons(enrollment, lessons, now)
    return json_response({"attemptId": attempt["id"]})


def _is_there(enrollment: Row, lesson_id: str, path: dict[str, str]) -> bool:
    """Whether the longer path names the attempt's own user, course and lesson."""
    own = {"user_id": enrollment.get("userId"), "course_id": enrollment.get("courseId"), "lesson_id": lesson_id}
    return all(str(value).lower() == path.get(name, str(value).lower()) for name, value in own.items())


def _result(fields: dict[str, Any]) -> Row:
    """The body of both finishing operations: ``status`` is required and 1, 3 or 5 (docs/facts/absorb.md section 1)."""
    status, score = fields.get("status"), fields.get("score")
    if isinstance(status, bool) or not isinstance(status, int) or status not in {1, 3, 5}:
        raise unprocessable("status must be 1, 3 or 5.")
    if isinstance(score, bool) or not isinstance(score, int | float | None):
        raise unprocessable("score must be a number.")
    changes: Row = {"status": status} | ({} if score is None else {"score": float(score)})
    for name in ("startDate", "completionDate"):
        value = fields.get(name.casefold())
        if value is not None and canonical(value) is None:
            raise unprocessable(f"{name} is not a valid date.")
        if value is not None:
            changes[name] = value
    return changes


def _ticks(attempt: Row) -> int:
    """From start to end in units of 100 ns, within what one sitting can take."""
    begun, ended = moment_of(attempt["startDate"]), moment_of(attempt["completionDate"])
    if begun is None or ended is None or ended < begun:
        return 0
    return min(ended - begun, _LONGEST_ATTEMPT) // timedelta(microseconds=1) * 10
