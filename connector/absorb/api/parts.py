"""Operations on what lies inside a course enrollment: sessions, chapters, lessons and attempts."""

from collections.abc import AsyncIterator
from typing import Unpack

from connector.absorb.api.base import Group, Listing, Narrow, ids, narrowed
from connector.absorb.api.calls import GuidLike
from connector.absorb.api.resources import AttemptFinished, AttemptResult, AttemptStarted, SessionEnrolled
from connector.streams.details import Attempt, ChapterEnrollment, LessonEnrollment, SessionEnrollment, placed


class Sessions(Group):
    """Session enrollments of instructor-led courses (ILC)."""

    async def of_user(
        self, user_id: GuidLike, course_id: GuidLike, **narrow: Unpack[Narrow]
    ) -> list[SessionEnrollment]:
        """A learner's session enrollments in one course."""
        path, path_ids = "/users/{userId}/enrollments/{courseId}/sessions", ids(user=user_id, course=course_id)
        return await self._calls.many(path, SessionEnrollment, path_ids, query=narrowed(**narrow))

    async def get(
        self, user_id: GuidLike, course_id: GuidLike, session_id: GuidLike, **narrow: Unpack[Narrow]
    ) -> SessionEnrollment:
        """A learner's enrollment in one session."""
        path = "/users/{userId}/enrollments/{courseId}/sessions/{sessionId}"
        path_ids = ids(user=user_id, course=course_id, session=session_id)
        return await self._calls.one("GET", path, SessionEnrollment, path_ids, query=narrowed(**narrow))

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
        path = "/users/{userId}/enrollments/{courseId}/sessions/{sessionId}"
        path_ids = ids(user=user_id, course=course_id, session=session_id)
        flags = {"reEnroll": re_enroll, "cancelSession": cancel_session}
        return await self._calls.one("POST", path, SessionEnrolled, path_ids, query=flags)

    def of_session(
        self, course_id: GuidLike, session_id: GuidLike, **listing: Unpack[Listing]
    ) -> AsyncIterator[SessionEnrollment]:
        """Everybody's enrollments in one session."""
        path = "/courses/{courseId}/sessions/{sessionId}/enrollments"
        return self._list(path, SessionEnrollment, ids(course=course_id, session=session_id), **listing)


class Chapters(Group):
    """Chapter enrollments."""

    async def of_user(
        self, user_id: GuidLike, course_id: GuidLike, **narrow: Unpack[Narrow]
    ) -> list[ChapterEnrollment]:
        """A learner's chapter enrollments in one course."""
        path, path_ids = "/users/{userId}/enrollments/{courseId}/chapters", ids(user=user_id, course=course_id)
        return await self._calls.many(path, ChapterEnrollment, path_ids, query=narrowed(**narrow))

    async def get(
        self, user_id: GuidLike, course_id: GuidLike, chapter_id: GuidLike, **narrow: Unpack[Narrow]
    ) -> ChapterEnrollment:
        """A learner's enrollment in one chapter."""
        path = "/users/{userId}/enrollments/{courseId}/chapters/{chapterId}"
        path_ids = ids(user=user_id, course=course_id, chapter=chapter_id)
        return await self._calls.one("GET", path, ChapterEnrollment, path_ids, query=narrowed(**narrow))


class Lessons(Group):
    """Lesson enrollments."""

    def of_lesson(
        self, course_id: GuidLike, lesson_id: GuidLike, **listing: Unpack[Listing]
    ) -> AsyncIterator[LessonEnrollment]:
        """Everybody's enrollments in one lesson."""
        path = "/courses/{courseId}/lessons/{lessonId}/enrollments"
        return self._list(path, LessonEnrollment, ids(course=course_id, lesson=lesson_id), **listing)

    async def get_in_chapter(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        chapter_id: GuidLike,
        lesson_id: GuidLike,
        **narrow: Unpack[Narrow],
    ) -> LessonEnrollment:
        """A learner's enrollment in one lesson, by way of its chapter."""
        path = "/users/{userId}/enrollments/{courseId}/chapters/{chapterId}/lessons/{lessonId}"
        path_ids = ids(user=user_id, course=course_id, chapter=chapter_id, lesson=lesson_id)
        return await self._calls.one("GET", path, LessonEnrollment, path_ids, query=narrowed(**narrow))

    async def of_user(self, user_id: GuidLike, course_id: GuidLike, **narrow: Unpack[Narrow]) -> list[LessonEnrollment]:
        """A learner's lesson enrollments in one course."""
        path, path_ids = "/users/{userId}/enrollments/{courseId}/lessons", ids(user=user_id, course=course_id)
        return await self._calls.many(path, LessonEnrollment, path_ids, query=narrowed(**narrow))

    async def get(
        self, user_id: GuidLike, course_id: GuidLike, lesson_id: GuidLike, **narrow: Unpack[Narrow]
    ) -> LessonEnrollment:
        """A learner's enrollment in one lesson."""
        path = "/users/{userId}/enrollments/{courseId}/lessons/{lessonId}"
        path_ids = ids(user=user_id, course=course_id, lesson=lesson_id)
        return await self._calls.one("GET", path, LessonEnrollment, path_ids, query=narrowed(**narrow))

    async def of_chapter(
        self, user_id: GuidLike, course_id: GuidLike, chapter_id: GuidLike, **narrow: Unpack[Narrow]
    ) -> list[LessonEnrollment]:
        """A learner's lesson enrollments in one chapter."""
        path = "/users/{userId}/enrollments/{courseId}/chapters/{chapterId}/lessons"
        path_ids = ids(user=user_id, course=course_id, chapter=chapter_id)
        return await self._calls.many(path, LessonEnrollment, path_ids, query=narrowed(**narrow))


class Attempts(Group):
    """Attempts at lessons. `lesson_id` is the course's lesson: a lesson enrollment's own id is answered 404."""

    async def of_lesson(self, user_id: GuidLike, course_id: GuidLike, lesson_id: GuidLike) -> list[Attempt]:
        """A learner's attempts at one lesson, each with the three ids of the path written in."""
        path = "/users/{userId}/enrollments/{courseId}/lessons/{lessonId}/attempts"
        path_ids = ids(user=user_id, course=course_id, lesson=lesson_id)
        rows = await self._calls.rows(path, path_ids)
        return self._calls.read(path, Attempt, placed(rows, *path_ids.values()))

    async def start(self, user_id: GuidLike, course_id: GuidLike, lesson_id: GuidLike) -> AttemptStarted:
        """Open an attempt in the learner's current enrollment."""
        path = "/users/{userId}/enrollments/{courseId}/lessons/{lessonId}/attempts"
        return await self._calls.one(
            "POST", path, AttemptStarted, ids(user=user_id, course=course_id, lesson=lesson_id)
        )

    async def finish(self, attempt_id: GuidLike, result: AttemptResult) -> AttemptFinished:
        """Close an attempt by its own id."""
        # The path is sourced; the method could be POST.
        path, path_ids = "/attempts/{attemptId}", ids(attempt=attempt_id)
        return await self._calls.one("PUT", path, AttemptFinished, path_ids, body=result.body())

    async def finish_in_lesson(
        self,
        user_id: GuidLike,
        course_id: GuidLike,
        lesson_id: GuidLike,
        attempt_id: GuidLike,
        result: AttemptResult,
    ) -> AttemptFinished:
        """Close an attempt by its full path."""
        # Could be POST.
        path = "/users/{userId}/enrollments/{courseId}/lessons/{lessonId}/attempts/{attemptId}"
        path_ids = ids(user=user_id, course=course_id, lesson=lesson_id, attempt=attempt_id)
        return await self._calls.one("PUT", path, AttemptFinished, path_ids, body=result.body())
