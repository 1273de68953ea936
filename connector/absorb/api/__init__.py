"""The enrollment section of the Absorb Integration API v2, all 27 operations, typed and grouped as the vendor does.

    async with AbsorbClient.of(settings) as client:
        api = AbsorbApi(client)
        lessons = await api.lessons.of_user(user_id, course_id)
        async for row in api.enrollments.of_course(course_id, modified_since=yesterday):
            ...

The copy of the vendor's page that we have lost the paths: they were recovered, and docs/facts/absorb.md section 1 says
how sure each is. A method whose own comment says "could be" has a path that was seen and a method that was not, or the
other way round: should a portal answer WrongPathError, its URL there is all there is to change.

Ids may be UUIDs or text; anything that is no GUID raises ValueError before a call is made. Every method raises what
`connector/absorb/faults.py` finds in a refusal: NotFoundError for what is not there or not visible, BadRequestError for
a refused request, ProtocolError for a success that is not what the vendor documents. A write is never repeated unless
the portal cannot have received it.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Unpack

from connector.absorb.api.calls import Id, Listing, Narrow, Operations, as_model, cleaned, guid
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


class Enrollments(Operations):
    """Course enrollments. Writes refuse multi-session ILCs."""

    async def create(self, user_id: Id, course_id: Id, *, re_enroll: bool = False) -> EnrollmentCreated:
        """Enroll a learner; `re_enroll` turns an enrollment that is there into history and makes a new one."""
        path, query = "/users/{userId}/enrollments/{courseId}", {"reEnroll": re_enroll}
        return await self._write("POST", path, EnrollmentCreated, query, user=user_id, course=course_id)

    async def of_user_in_course(self, user_id: Id, course_id: Id, **narrow: Unpack[Narrow]) -> Enrollment:
        """A learner's enrollment in a course, by the learner's path."""
        path = "/users/{userId}/enrollments/{courseId}"
        return await self._get(path, Enrollment, narrow, user=user_id, course=course_id)

    async def create_or_update(
        self, user_id: Id, change: CourseEnrollmentUpdate, *, re_enroll: bool = False
    ) -> EnrollmentCreated:
        """Enroll a learner into `change.course_id`, or set those properties of `change` that were given."""
        # Could be PUT.
        path, query = "/users/{userId}/enrollments", {"reEnroll": re_enroll}
        return await self._write("POST", path, EnrollmentCreated, query, change.body(), user=user_id)

    def of_user(self, user_id: Id, **listing: Unpack[Listing]) -> AsyncIterator[Enrollment]:
        """All course enrollments of one learner, history included."""
        return self._list("/users/{userId}/enrollments", Enrollment, listing, user=user_id)

    async def unenroll(self, enrollment_ids: Sequence[Id]) -> Unenrolled:
        """Take learners out of courses by enrollment id: online courses, ILCs, curricula and bundles."""
        # The path is sourced; the method could be DELETE.
        body = [guid(value, "enrollment id") for value in enrollment_ids]
        return await self._write("POST", "/enrollments/unenroll", Unenrolled, body=body)

    async def get(self, enrollment_id: Id) -> Enrollment:
        """One enrollment by its own id."""
        return await self._get(f"/enrollments/{guid(enrollment_id, 'id')}", Enrollment)

    def of_course(self, course_id: Id, **listing: Unpack[Listing]) -> AsyncIterator[Enrollment]:
        """All enrollments of one course, history included."""
        return self._list("/courses/{courseId}/enrollments", Enrollment, listing, course=course_id)

    async def of_course_for_user(self, course_id: Id, user_id: Id, **narrow: Unpack[Narrow]) -> Enrollment:
        """A learner's enrollment in a course, by the course's path: the vendor lists both."""
        path = "/courses/{courseId}/enrollments/{userId}"
        return await self._get(path, Enrollment, narrow, user=user_id, course=course_id)

    async def bulk(self, user_ids: Sequence[Id], course_ids: Sequence[Id]) -> list[Enrollment]:
        """The enrollments of these learners in these courses; an empty sequence of one kind means any of it.

        Long lists are asked for in parts. Raises ValueError when both are empty.
        """
        # The path is sourced; that it is this operation, and how ids are listed, is not.
        if not user_ids and not course_ids:
            raise ValueError("name learners, courses or both")
        path, found = "/bulk/student-courses", list[Enrollment]()
        for users in _parts(user_ids, "user id"):
            for courses in _parts(course_ids, "course id"):
                query = cleaned({"userIds": users, "courseIds": courses})
                found += [as_model(Enrollment, row, path) for row in await self._rows(path, query)]
        return found


class Mine(Operations):
    """Course enrollments of the account that is logged in."""

    async def get(self, course_id: Id, **narrow: Unpack[Narrow]) -> Enrollment:
        """One's own enrollment in a course."""
        path = "/my-enrollments/{courseId}"
        return await self._get(path, Enrollment, narrow, course=course_id)

    async def enroll(self, course_id: Id) -> EnrollmentCreated:
        """Enroll oneself."""
        # The path is sourced; that it is this operation is not: could be POST /my-enrollments/{courseId}.
        return await self._write("POST", "/enroll/{courseId}", EnrollmentCreated, course=course_id)

    def enrollments(self, **listing: Unpack[Listing]) -> AsyncIterator[Enrollment]:
        """All of one's own course enrollments."""
        return self._list("/my-enrollments", Enrollment, listing)


class Sessions(Operations):
    """Session enrollments of instructor-led courses (ILC)."""

    async def of_user(self, user_id: Id, course_id: Id, **narrow: Unpack[Narrow]) -> list[SessionEnrollment]:
        """A learner's session enrollments in one course."""
        path = "/users/{userId}/enrollments/{courseId}/sessions"
        return await self._many(path, SessionEnrollment, narrow, user=user_id, course=course_id)

    async def get(self, user_id: Id, course_id: Id, session_id: Id, **narrow: Unpack[Narrow]) -> SessionEnrollment:
        """A learner's enrollment in one session."""
        path = "/users/{userId}/enrollments/{courseId}/sessions/{sessionId}"
        return await self._get(path, SessionEnrollment, narrow, user=user_id, course=course_id, session=session_id)

    async def enroll(
        self, user_id: Id, course_id: Id, session_id: Id, *, re_enroll: bool = False, cancel_session: bool = False
    ) -> SessionEnrolled:
        """Enroll into an ILC and one of its sessions; multi-session ILCs are refused."""
        path = "/users/{userId}/enrollments/{courseId}/sessions/{sessionId}"
        flags = {"reEnroll": re_enroll, "cancelSession": cancel_session}
        return await self._write(
            "POST", path, SessionEnrolled, flags, user=user_id, course=course_id, session=session_id
        )

    def of_session(self, course_id: Id, session_id: Id, **listing: Unpack[Listing]) -> AsyncIterator[SessionEnrollment]:
        """Everybody's enrollments in one session."""
        path = "/courses/{courseId}/sessions/{sessionId}/enrollments"
        return self._list(path, SessionEnrollment, listing, course=course_id, session=session_id)


class Chapters(Operations):
    """Chapter enrollments."""

    async def of_user(self, user_id: Id, course_id: Id, **narrow: Unpack[Narrow]) -> list[ChapterEnrollment]:
        """A learner's chapter enrollments in one course."""
        path = "/users/{userId}/enrollments/{courseId}/chapters"
        return await self._many(path, ChapterEnrollment, narrow, user=user_id, course=course_id)

    async def get(self, user_id: Id, course_id: Id, chapter_id: Id, **narrow: Unpack[Narrow]) -> ChapterEnrollment:
        """A learner's enrollment in one chapter."""
        path = "/users/{userId}/enrollments/{courseId}/chapters/{chapterId}"
        return await self._get(path, ChapterEnrollment, narrow, user=user_id, course=course_id, chapter=chapter_id)


class Lessons(Operations):
    """Lesson enrollments."""

    def of_lesson(self, course_id: Id, lesson_id: Id, **listing: Unpack[Listing]) -> AsyncIterator[LessonEnrollment]:
        """Everybody's enrollments in one lesson."""
        path = "/courses/{courseId}/lessons/{lessonId}/enrollments"
        return self._list(path, LessonEnrollment, listing, course=course_id, lesson=lesson_id)

    async def get_in_chapter(
        self, user_id: Id, course_id: Id, chapter_id: Id, lesson_id: Id, **narrow: Unpack[Narrow]
    ) -> LessonEnrollment:
        """A learner's enrollment in one lesson, by way of its chapter."""
        path = "/users/{userId}/enrollments/{courseId}/chapters/{chapterId}/lessons/{lessonId}"
        return await self._get(
            path, LessonEnrollment, narrow, user=user_id, course=course_id, chapter=chapter_id, lesson=lesson_id
        )

    async def of_user(self, user_id: Id, course_id: Id, **narrow: Unpack[Narrow]) -> list[LessonEnrollment]:
        """A learner's lesson enrollments in one course."""
        path = "/users/{userId}/enrollments/{courseId}/lessons"
        return await self._many(path, LessonEnrollment, narrow, user=user_id, course=course_id)

    async def get(self, user_id: Id, course_id: Id, lesson_id: Id, **narrow: Unpack[Narrow]) -> LessonEnrollment:
        """A learner's enrollment in one lesson."""
        path = "/users/{userId}/enrollments/{courseId}/lessons/{lessonId}"
        return await self._get(path, LessonEnrollment, narrow, user=user_id, course=course_id, lesson=lesson_id)

    async def of_chapter(
        self, user_id: Id, course_id: Id, chapter_id: Id, **narrow: Unpack[Narrow]
    ) -> list[LessonEnrollment]:
        """A learner's lesson enrollments in one chapter."""
        path = "/users/{userId}/enrollments/{courseId}/chapters/{chapterId}/lessons"
        return await self._many(path, LessonEnrollment, narrow, user=user_id, course=course_id, chapter=chapter_id)


class Attempts(Operations):
    """Attempts at lessons. `lesson_id` is the course's lesson: a lesson enrollment's own id is answered 404."""

    async def of_lesson(self, user_id: Id, course_id: Id, lesson_id: Id) -> list[Attempt]:
        """A learner's attempts at one lesson, each with the three ids of the path written in."""
        path = "/users/{userId}/enrollments/{courseId}/lessons/{lessonId}/attempts"
        ids = {"user": user_id, "course": course_id, "lesson": lesson_id}
        rows = placed(await self._rows(path, {}, **ids), *(guid(value, f"{name} id") for name, value in ids.items()))
        return [as_model(Attempt, row, path) for row in rows]

    async def start(self, user_id: Id, course_id: Id, lesson_id: Id) -> AttemptStarted:
        """Open an attempt in the learner's current enrollment."""
        path = "/users/{userId}/enrollments/{courseId}/lessons/{lessonId}/attempts"
        return await self._write("POST", path, AttemptStarted, user=user_id, course=course_id, lesson=lesson_id)

    async def finish(self, attempt_id: Id, result: AttemptResult) -> AttemptFinished:
        """Close an attempt by its own id."""
        # The path is sourced; the method could be POST.
        path = "/attempts/{attemptId}"
        return await self._write("PUT", path, AttemptFinished, body=result.body(), attempt=attempt_id)

    async def finish_in_lesson(
        self, user_id: Id, course_id: Id, lesson_id: Id, attempt_id: Id, result: AttemptResult
    ) -> AttemptFinished:
        """Close an attempt by its full path."""
        # Could be POST.
        path = "/users/{userId}/enrollments/{courseId}/lessons/{lessonId}/attempts/{attemptId}"
        body = result.body()
        return await self._write(
            "PUT", path, AttemptFinished, {}, body, user=user_id, course=course_id, lesson=lesson_id, attempt=attempt_id
        )


class AbsorbApi:
    """One portal's enrollments. `client` stays the caller's to close."""

    def __init__(self, client: AbsorbClient, *, page_size: int = MAX_LIMIT) -> None:
        self.sessions = Sessions(client, page_size)
        self.chapters = Chapters(client, page_size)
        self.enrollments = Enrollments(client, page_size)
        self.lessons = Lessons(client, page_size)
        self.attempts = Attempts(client, page_size)
        self.mine = Mine(client, page_size)


def _parts(values: Sequence[Id], name: str) -> Iterator[list[str] | None]:
    """The ids in parts that a URL can carry; one part of None when there are none."""
    known = [guid(value, name) for value in values]
    if not known:
        yield None
    for start in range(0, len(known), BULK_IDS):
        yield known[start : start + BULK_IDS]
