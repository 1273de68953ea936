"""The enrollment section of the Absorb Integration API v2, all 27 operations, typed and grouped as the vendor does.

    async with AbsorbClient.of(settings) as client:
        api = AbsorbApi(client)
        lessons = await api.lessons.of_user(user_id, course_id)
        async for row in api.enrollments.of_course(course_id, modified_since=yesterday):
            ...

Paths and how sure each is: `connector/absorb/api/operations.py`. Ids may be UUIDs or text; anything that is no GUID
raises ValueError before a call is made. Every method raises what `connector/absorb/faults.py` finds in a refusal:
NotFoundError for what is not there or not visible, BadRequestError for a refused request, ProtocolError for a success
that is not what the vendor documents. A write is never repeated unless the portal cannot have heard it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime

from connector.absorb.api.calls import Calls, GuidLike, Ids, guid, narrowed
from connector.absorb.api.resources import (
    AttemptFinished,
    AttemptResult,
    AttemptStarted,
    CourseEnrollmentUpdate,
    EnrollmentCreated,
    SessionEnrolled,
    Unenrolled,
)
from connector.absorb.client import AbsorbClient
from connector.absorb.walk.pages import MAX_LIMIT
from connector.streams.details import Attempt, ChapterEnrollment, LessonEnrollment, SessionEnrollment, placed
from connector.streams.rows import Enrollment

# A GET carries its ids in the URL: this many of each kind stay well below the 8 KB that gateways take.
BULK_IDS = 60


class AbsorbApi:
    """One portal's enrollments. `client` stays the caller's to close."""

    def __init__(self, client: AbsorbClient, *, page_size: int = MAX_LIMIT) -> None:
        calls = Calls(client, page_size)
        self.sessions = Sessions(calls)
        self.chapters = Chapters(calls)
        self.enrollments = Enrollments(calls)
        self.lessons = Lessons(calls)
        self.attempts = Attempts(calls)
        self.mine = Mine(calls)


class _Group:
    def __init__(self, calls: Calls) -> None:
        self._calls = calls


class Sessions(_Group):
    """Session enrollments of instructor-led courses (ILC)."""

    async def of_user(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
    ) -> list[SessionEnrollment]:
        """A learner's session enrollments in one course."""
        ids = _ids(user=user_id, course=course_id)
        return await self._calls.many(
            "sessions.of_user", SessionEnrollment, ids, query=narrowed(status, modified_since)
        )

    async def get(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        session_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
    ) -> SessionEnrollment:
        """A learner's enrollment in one session."""
        ids = _ids(user=user_id, course=course_id, session=session_id)
        return await self._calls.one("sessions.get", SessionEnrollment, ids, query=narrowed(status, modified_since))

    async def enroll(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        session_id: GuidLike,
        *,
        re_enroll: bool = False,
        cancel_session: bool = False,
    ) -> SessionEnrolled:
        """Enroll into an ILC and one of its sessions; multi-session ILCs are refused."""
        ids = _ids(user=user_id, course=course_id, session=session_id)
        flags = {"reEnroll": re_enroll, "cancelSession": cancel_session}
        return await self._calls.one("sessions.enroll", SessionEnrolled, ids, query=flags)

    def of_session(
        self,
        course_id: GuidLike,
        session_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
        where: str | None = None,
    ) -> AsyncIterator[SessionEnrollment]:
        """Everybody's enrollments in one session; `where` is an OData `_filter`."""
        ids = _ids(course=course_id, session=session_id)
        query = {"status": status, "_filter": where}
        return self._calls.walk("sessions.of_session", SessionEnrollment, ids, since=modified_since, query=query)


class Chapters(_Group):
    """Chapter enrollments."""

    async def of_user(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
    ) -> list[ChapterEnrollment]:
        """A learner's chapter enrollments in one course."""
        ids = _ids(user=user_id, course=course_id)
        return await self._calls.many(
            "chapters.of_user", ChapterEnrollment, ids, query=narrowed(status, modified_since)
        )

    async def get(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        chapter_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
    ) -> ChapterEnrollment:
        """A learner's enrollment in one chapter."""
        ids = _ids(user=user_id, course=course_id, chapter=chapter_id)
        return await self._calls.one("chapters.get", ChapterEnrollment, ids, query=narrowed(status, modified_since))


class Enrollments(_Group):
    """Course enrollments. Writes refuse multi-session ILCs."""

    async def create(self, user_id: GuidLike, course_id: GuidLike, *, re_enroll: bool = False) -> EnrollmentCreated:
        """Enroll a learner; `re_enroll` turns an enrollment that is there into history and makes a new one."""
        ids = _ids(user=user_id, course=course_id)
        return await self._calls.one("enrollments.create", EnrollmentCreated, ids, query={"reEnroll": re_enroll})

    async def of_user_in_course(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
    ) -> Enrollment:
        """A learner's enrollment in a course, by the learner's path."""
        ids = _ids(user=user_id, course=course_id)
        return await self._calls.one(
            "enrollments.of_user_in_course", Enrollment, ids, query=narrowed(status, modified_since)
        )

    async def create_or_update(
        self, user_id: GuidLike, change: CourseEnrollmentUpdate, *, re_enroll: bool = False
    ) -> EnrollmentCreated:
        """Enroll a learner into `change.course_id`, or set those properties of `change` that were given."""
        query = {"reEnroll": re_enroll}
        return await self._calls.one(
            "enrollments.create_or_update", EnrollmentCreated, _ids(user=user_id), query=query, body=change.body()
        )

    def of_user(
        self,
        user_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
        where: str | None = None,
    ) -> AsyncIterator[Enrollment]:
        """All course enrollments of one learner, history included; `where` is an OData `_filter`."""
        query = {"status": status, "_filter": where}
        return self._calls.walk(
            "enrollments.of_user", Enrollment, _ids(user=user_id), since=modified_since, query=query
        )

    async def unenroll(self, enrollment_ids: Sequence[GuidLike]) -> Unenrolled:
        """Take learners out of courses by enrollment id: online courses, ILCs, curricula and bundles."""
        body = [guid(value, "enrollment id") for value in enrollment_ids]
        return await self._calls.one("enrollments.unenroll", Unenrolled, body=body)

    async def get(self, enrollment_id: GuidLike) -> Enrollment:
        """One enrollment by its own id."""
        return await self._calls.one("enrollments.get", Enrollment, {"id": enrollment_id})

    def of_course(
        self,
        course_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
        where: str | None = None,
    ) -> AsyncIterator[Enrollment]:
        """All enrollments of one course, history included; `where` is an OData `_filter`."""
        ids, query = _ids(course=course_id), {"status": status, "_filter": where}
        return self._calls.walk("enrollments.of_course", Enrollment, ids, since=modified_since, query=query)

    async def of_course_for_user(
        self,
        course_id: GuidLike,
        user_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
    ) -> Enrollment:
        """A learner's enrollment in a course, by the course's path: the vendor lists both."""
        ids = _ids(user=user_id, course=course_id)
        return await self._calls.one(
            "enrollments.of_course_for_user", Enrollment, ids, query=narrowed(status, modified_since)
        )

    async def bulk(self, user_ids: Sequence[GuidLike], course_ids: Sequence[GuidLike]) -> list[Enrollment]:
        """The enrollments of these learners in these courses; an empty sequence of one kind means any of it.

        Long lists are asked for in parts. Raises ValueError when both are empty.
        """
        if not user_ids and not course_ids:
            raise ValueError("name learners, courses or both")
        found: list[Enrollment] = []
        for users in _parts(user_ids, "user id"):
            for courses in _parts(course_ids, "course id"):
                query = {"userIds": users, "courseIds": courses}
                found += await self._calls.many("enrollments.bulk", Enrollment, query=query)
        return found


class Lessons(_Group):
    """Lesson enrollments."""

    def of_lesson(
        self,
        course_id: GuidLike,
        lesson_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
        where: str | None = None,
    ) -> AsyncIterator[LessonEnrollment]:
        """Everybody's enrollments in one lesson; `where` is an OData `_filter`."""
        ids, query = _ids(course=course_id, lesson=lesson_id), {"status": status, "_filter": where}
        return self._calls.walk("lessons.of_lesson", LessonEnrollment, ids, since=modified_since, query=query)

    async def get_in_chapter(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        chapter_id: GuidLike,
        lesson_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
    ) -> LessonEnrollment:
        """A learner's enrollment in one lesson, by way of its chapter."""
        ids = _ids(user=user_id, course=course_id, chapter=chapter_id, lesson=lesson_id)
        return await self._calls.one(
            "lessons.get_in_chapter", LessonEnrollment, ids, query=narrowed(status, modified_since)
        )

    async def of_user(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
    ) -> list[LessonEnrollment]:
        """A learner's lesson enrollments in one course."""
        ids = _ids(user=user_id, course=course_id)
        return await self._calls.many("lessons.of_user", LessonEnrollment, ids, query=narrowed(status, modified_since))

    async def get(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        lesson_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
    ) -> LessonEnrollment:
        """A learner's enrollment in one lesson."""
        ids = _ids(user=user_id, course=course_id, lesson=lesson_id)
        return await self._calls.one("lessons.get", LessonEnrollment, ids, query=narrowed(status, modified_since))

    async def of_chapter(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        chapter_id: GuidLike,
        *,
        status: int | None = None,
        modified_since: datetime | None = None,
    ) -> list[LessonEnrollment]:
        """A learner's lesson enrollments in one chapter."""
        ids = _ids(user=user_id, course=course_id, chapter=chapter_id)
        return await self._calls.many(
            "lessons.of_chapter", LessonEnrollment, ids, query=narrowed(status, modified_since)
        )


class Attempts(_Group):
    """Attempts at lessons. `lesson_id` is the course's lesson: a lesson enrollment's own id is answered 404."""

    async def of_lesson(self, user_id: GuidLike, course_id: GuidLike, lesson_id: GuidLike) -> list[Attempt]:
        """A learner's attempts at one lesson, each with the three ids of the path written in."""
        ids = _ids(user=user_id, course=course_id, lesson=lesson_id)
        rows = await self._calls.rows("attempts.of_lesson", ids)
        return self._calls.read("attempts.of_lesson", Attempt, placed(rows, *(str(value) for value in ids.values())))

    async def start(self, user_id: GuidLike, course_id: GuidLike, lesson_id: GuidLike) -> AttemptStarted:
        """Open an attempt in the learner's current enrollment."""
        ids = _ids(user=user_id, course=course_id, lesson=lesson_id)
        return await self._calls.one("attempts.start", AttemptStarted, ids)

    async def finish(self, attempt_id: GuidLike, result: AttemptResult) -> AttemptFinished:
        """Close an attempt by its own id."""
        return await self._calls.one("attempts.finish", AttemptFinished, _ids(attempt=attempt_id), body=result.body())

    async def finish_in_lesson(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        lesson_id: GuidLike,
        attempt_id: GuidLike,
        result: AttemptResult,
    ) -> AttemptFinished:
        """Close an attempt by its full path."""
        ids = _ids(user=user_id, course=course_id, lesson=lesson_id, attempt=attempt_id)
        return await self._calls.one("attempts.finish_in_lesson", AttemptFinished, ids, body=result.body())


class Mine(_Group):
    """Course enrollments of the account that is logged in."""

    async def get(
        self, course_id: GuidLike, *, status: int | None = None, modified_since: datetime | None = None
    ) -> Enrollment:
        """One's own enrollment in a course."""
        query = narrowed(status, modified_since)
        return await self._calls.one("mine.get", Enrollment, _ids(course=course_id), query=query)

    async def enroll(self, course_id: GuidLike) -> EnrollmentCreated:
        """Enroll oneself."""
        return await self._calls.one("mine.enroll", EnrollmentCreated, _ids(course=course_id))

    def enrollments(
        self, *, status: int | None = None, modified_since: datetime | None = None, where: str | None = None
    ) -> AsyncIterator[Enrollment]:
        """All of one's own course enrollments; `where` is an OData `_filter`."""
        query = {"status": status, "_filter": where}
        return self._calls.walk("mine.enrollments", Enrollment, since=modified_since, query=query)


def _ids(**values: GuidLike) -> Ids:
    """Path parameters by the vendor's names: user=… is {userId}. By name, so that a path may change its order."""
    return {f"{name}Id": guid(value, f"{name} id") for name, value in values.items()}


def _parts(values: Sequence[GuidLike], name: str) -> Iterator[list[str] | None]:
    """The ids in parts that a URL can carry; one part of None when there are none."""
    known = [guid(value, name) for value in values]
    if not known:
        yield None
    for start in range(0, len(known), BULK_IDS):
        yield known[start : start + BULK_IDS]
