"""Operations on what lies inside a course enrollment: sessions, chapters, lessons and attempts."""

from collections.abc import AsyncIterator
from typing import Unpack

from connector.absorb.api.calls import Id, Listing, Narrow, Operations, as_model, guid
from connector.absorb.api.resources import AttemptFinished, AttemptResult, AttemptStarted, SessionEnrolled
from connector.streams.details import Attempt, ChapterEnrollment, LessonEnrollment, SessionEnrollment, placed


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
        body = result.body()
        return await self._write("PUT", "/attempts/{attemptId}", AttemptFinished, body=body, attempt=attempt_id)

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
