"""Handlers for what lies inside a course enrollment: sessions, chapters, lessons and attempts.

What a portal answers where the vendor's page is silent is reasoned, and marked so: the page names parameters and
shapes, never refusals.
"""

from collections.abc import Container
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from connector.sandbox.kit.instants import canonical, moment_of, naive_text
from connector.sandbox.kit.routes import json_response
from connector.sandbox.portal import writes
from connector.sandbox.portal.context import Call, Handler, House, body_of, folded
from connector.sandbox.portal.errors import not_found, unprocessable
from connector.sandbox.portal.lessons import LessonState, new_attempt, update_from_attempts
from connector.sandbox.portal.listing import deprecated_conditions
from connector.sandbox.portal.odata import Condition
from connector.sandbox.portal.state import Row

_LONGEST_ATTEMPT = timedelta(hours=12)
# Nobody may begin a course while these hold: approval pending, declined, on a waitlist. Reasoned.
_CLOSED = {2, 6, 8}


def enrollment_of_pair(call: Call) -> Response:
    """A user's current enrollment in a course, narrowed by ``status`` and ``modifiedSince``."""
    return current_enrollment(call, call.path["user_id"])


def current_enrollment(call: Call, user_id: str) -> Response:
    """The newest enrollment of a pair that the query lets pass, or a 404."""
    only = deprecated_conditions(call.query)
    course_id = call.path["course_id"]
    found = call.house.portal.enrollments_of(user_id, course_id, where=only.sql, parameters=only.parameters)
    return json_response(_first(found))


def enrolled(house: House, user_id: str, course_id: str, changes: dict[str, Any], *, again: bool) -> Response:
    """Create, re-enroll or update; multi-session ILCs are refused (docs/facts/absorb.md section 1)."""
    if house.details.outline(course_id).multi_session:
        raise unprocessable("Multi-Session ILCs are not supported.")
    body, status = writes.enroll(house.portal, user_id, course_id, changes, again=again)
    if status == 201:
        house.details.adopt(body["enrollmentId"])
    return json_response(body, status)


def _current(call: Call) -> Row:
    """The enrollment of the path's user and course, the current one first, with its inside up to date."""
    path = call.path
    enrollment = _first(call.house.portal.enrollments_of(path["user_id"], path["course_id"]))
    call.house.details.look_into(str(enrollment["id"]))
    return enrollment


def array(stream: str) -> Handler:
    """What one enrollment holds of a stream, as a plain array; within one chapter where the path names it."""
    return lambda call: json_response(_found(call, stream))


def single(stream: str, parameter: str) -> Handler:
    """One of them, or a 404."""
    return lambda call: json_response(_first(_found(call, stream, parameter)))


def _first(found: list[Row]) -> Row:
    if not found:
        raise not_found()
    return found[0]


def _found(call: Call, stream: str, parameter: str | None = None) -> list[Row]:
    condition, path = deprecated_conditions(call.query), call.path
    sql, parameters = condition.sql, [*condition.parameters]
    if parameter is not None:
        sql += " AND item_id = ?"
        parameters.append(path[parameter])
    enrollment = _current(call)
    if stream == "lesson_enrollments" and "chapter_id" in path:
        chapters = dict(call.house.details.outline(path["course_id"]).chapters)
        if path["chapter_id"] not in chapters:
            raise not_found()
        sql += " AND parent_id = ?"
        parameters.append(path["chapter_id"])
    return call.house.details.rows(stream, str(enrollment["id"]), Condition(sql, tuple(parameters)))


def of_lesson(call: Call) -> Response:
    """GET /courses/{courseId}/lessons/{lessonId}/enrollments, paged under ``lessonEnrollments``."""
    lessons = {lesson.lesson_id for lesson in call.house.details.outline(call.path["course_id"]).lessons}
    return _of_item(call, "lesson_enrollments", call.path["lesson_id"], lessons, "lessonEnrollments")


def of_session(call: Call) -> Response:
    """GET /courses/{courseId}/sessions/{sessionId}/enrollments, paged under ``enrollments``."""
    sessions = dict(call.house.details.outline(call.path["course_id"]).sessions)
    return _of_item(call, "session_enrollments", call.path["session_id"], sessions, "enrollments")


def _of_item(call: Call, stream: str, item_id: str, known: Container[str], collection: str) -> Response:
    if item_id not in known:
        raise not_found()
    course_id = call.path["course_id"]
    call.house.details.look_into_course(course_id)
    scope = Condition("course_id = ? AND item_id = ?", (course_id, item_id))
    return call.house.lister.answer(stream, call.query, scope, collection=collection)


def attempts(call: Call) -> Response:
    """A user's attempts at a lesson; the lesson enrollment's own id is a 404 (docs/facts/absorb.md section 1)."""
    return json_response(_lesson(call)[1].attempts)


def _lesson(call: Call) -> tuple[Row, LessonState, list[LessonState]]:
    enrollment = _current(call)
    lessons = call.house.details.lessons(str(enrollment["id"]))
    return enrollment, _one(lessons, call.path["lesson_id"]), lessons


def _one(lessons: list[LessonState], lesson_id: str) -> LessonState:
    found = next((lesson for lesson in lessons if lesson.row["lessonId"] == lesson_id), None)
    if found is None:
        raise not_found()
    return found


def enroll_in_session(call: Call) -> Response:
    """Enroll into an instructor-led course and one of its sessions.

    Reasoned from the parameters' descriptions: ``reEnroll`` turns the current enrollment into history and makes a new
    one; ``cancelSession`` moves the learner over from another session, and without it such a learner is refused.
    """
    path = call.path
    user_id, course_id, session_id = path["user_id"], path["course_id"], path["session_id"]
    again, cancel = (writes.flag(call.query, name) for name in ("reEnroll", "cancelSession"))
    store = call.house.details
    if session_id not in dict(store.outline(course_id).sessions):
        raise not_found()
    enrolled(call.house, user_id, course_id, {}, again=again)
    enrollment = _current(call)
    held = store.rows("session_enrollments", str(enrollment["id"]))
    row = next((one for one in held if one["sessionId"] == session_id), None)
    status = 200
    if row is None:
        if held and not cancel:
            raise unprocessable("The user is already enrolled in another session of this course.")
        row, status = store.add_session(str(enrollment["id"]), session_id, call.house.portal.stamp()), 201
    ids = {"enrollmentId": enrollment["id"], "sessionEnrollmentId": row["id"]}
    return json_response({"userId": user_id, "courseId": course_id, "sessionId": session_id, **ids}, status)


def start_attempt(call: Call) -> Response:
    """Open an attempt in a current enrollment; the course enrollment counts as begun."""
    enrollment, lesson, lessons = _lesson(call)
    now = call.house.portal.stamp()
    _may_begin(enrollment, now)
    attempt = new_attempt(lesson, now, call.house.portal.new_id())
    update_from_attempts(lesson, now)
    call.house.details.save_lessons(enrollment, lessons, now)
    path = call.path
    return json_response({"attemptId": attempt["id"], "courseId": path["course_id"], "userId": path["user_id"]}, 201)


def _may_begin(enrollment: Row, now: datetime) -> None:
    if not enrollment.get("isActive"):
        raise not_found()  # "for active lesson enrollment", says the operation's title
    if enrollment.get("status") in _CLOSED:
        raise unprocessable("The enrollment is not open.")
    if (canonical(enrollment.get("accessDate")) or "") > (canonical(naive_text(now)) or ""):
        raise unprocessable("The course cannot be started before its access date.")


def finish_attempt(call: Call) -> Response:
    """Close an attempt and bring its lesson, chapter and course enrollments in line, dateEdited included.

    Finishing twice is taken as a correction. Reasoned.
    """
    fields, path = folded(body_of(call)), call.path
    changes = _result(fields)
    place = call.house.details.attempt_place(path["attempt_id"])
    enrollment = call.house.portal.get("enrollments", place[0]) if place else None
    if place is None or enrollment is None or not _is_there(enrollment, place[1], path):
        raise not_found()
    call.house.details.look_into(place[0])
    lessons = call.house.details.lessons(place[0])
    lesson = _one(lessons, place[1])
    attempt = next(one for one in lesson.attempts if str(one["id"]).lower() == path["attempt_id"])
    now = call.house.portal.stamp()
    attempt |= changes
    if attempt["status"] != 1:
        attempt["completionDate"] = changes.get("completionDate") or naive_text(now)
        attempt["timeSpentTicks"] = attempt["timeSpentTicks"] or _ticks(attempt)
    update_from_attempts(lesson, now)
    call.house.details.save_lessons(enrollment, lessons, now)
    return json_response({"attemptId": attempt["id"]})


def _is_there(enrollment: Row, lesson_id: str, path: dict[str, str]) -> bool:
    """Whether the longer path names the attempt's own user, course and lesson."""
    own = {"user_id": enrollment.get("userId"), "course_id": enrollment.get("courseId"), "lesson_id": lesson_id}
    return all(str(value).lower() == path.get(name, str(value).lower()) for name, value in own.items())


def _result(fields: dict[str, Any]) -> Row:
    """The body of both finishing operations: ``status`` is required and 1, 3 or 5."""
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
