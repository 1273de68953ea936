"""What lies inside a course enrollment: lesson, chapter and session enrollments, and attempts.

Same pattern as `connector/streams/rows.py`, whose column types these rows use. Field lists, and what a live portal may
read differently: docs/facts/absorb.md section 5.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from connector.streams.rows import AbsorbRow, Guid, Integer, Json, Number, OptionalInstant, Span, Text


class _Within(AbsorbRow):
    """What every place within a course enrollment tells of its learner."""

    course_enrollment_id: Guid | None = None
    name: Text | None = None
    user_id: Guid
    full_name: Text | None = None
    status: Integer
    progress: Number | None = None
    score: Number | None = None
    time_spent: Span | None = None
    date_enrolled: OptionalInstant = None
    date_started: OptionalInstant = None
    date_completed: OptionalInstant = None


class LessonEnrollment(_Within):
    """A learner's way through one lesson.

    Lists: GET /courses/{courseId}/lessons/{lessonId}/enrollments (paged), and three plain arrays. The row names its
    course enrollment, not its course.
    """

    stream = "lesson_enrollments"
    collection = "lessonEnrollments"

    chapter_enrollment_id: Guid | None = None
    chapter_id: Guid | None = None
    lesson_id: Guid | None = None
    type: Text | None = None
    # Documented as a count; one client has met an array as well (docs/facts/absorb.md section 5).
    attempts: Json | None = None
    failures: Integer | None = None
    last_attempt: OptionalInstant = None
    date_edited: OptionalInstant = None
    date_added: OptionalInstant = None

    @property
    def attempt_count(self) -> int | None:
        """How many attempts, whether served as a number or as a list of them."""
        return attempt_count(self.attempts)


class ChapterEnrollment(_Within):
    """A learner's way through one chapter. It has no dateEdited: `modifiedSince` is the only handle on what changed.

    Served as plain arrays only; whoever lands rows for the loader puts them under `collection`.
    """

    stream = "chapter_enrollments"
    collection = "chapterEnrollments"

    chapter_id: Guid | None = None
    session_id: Guid | None = None
    lesson_id: Guid | None = None
    lesson_enrollment_ids: Json | None = None


class SessionEnrollment(_Within):
    """A learner's place in one session of an instructor-led course.

    Lists: GET /courses/{courseId}/sessions/{sessionId}/enrollments (paged, key `enrollments`), and one plain array.
    It has no dateAdded.
    """

    stream = "session_enrollments"
    collection = "enrollments"

    session_id: Guid | None = None
    date_edited: OptionalInstant = None


class Attempt(AbsorbRow):
    """One go at a lesson. Status is 1 (in progress), 3 (complete) or 5 (failed); there is no modified stamp.

    The portal names neither learner nor course nor lesson in the body: they stand in the path that was asked. Whoever
    asks writes them into each row with `placed` before landing or parsing it, under the keys that `user_id`,
    `course_id` and `lesson_id` read. They stay optional, since a row without them is still what the portal served.
    """

    stream = "attempts"
    collection = "attempts"

    user_id: Guid | None = None
    course_id: Guid | None = None
    lesson_id: Guid | None = None
    status: Integer
    score: Number | None = None
    time_spent_ticks: Integer | None = None
    start_date: OptionalInstant = None
    completion_date: OptionalInstant = None


def attempt_count(attempts: object) -> int | None:
    """How many attempts the `attempts` of a lesson enrollment stands for; None when it does not say."""
    if isinstance(attempts, list):
        return len(attempts)
    return int(attempts) if isinstance(attempts, int | float) and math.isfinite(attempts) else None


def placed(rows: Iterable[Mapping[str, Any]], user_id: str, course_id: str, lesson_id: str) -> list[dict[str, Any]]:
    """The attempts as received, each with the ids of the path that served it."""
    place = {"userId": user_id, "courseId": course_id, "lessonId": lesson_id}
    return [{**row, **place} for row in rows]
