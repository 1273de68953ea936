"""The 27 operations of the Integration API's enrollment section, in the vendor's order: method and path in one table.

The vendor's page names each operation and its parameters, but the copy we have lost the paths. They were recovered
from public clients and harvests (docs/facts/absorb.md section 1). `evidence` says how sure each is: "sourced" means
that method and path were both seen; "inferred" means that at least one was reasoned, and `note` says more. Should
a portal disagree (`WrongPathError`), the line here is all there is to change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Evidence = Literal["sourced", "inferred"]
Method = Literal["GET", "POST", "PUT", "DELETE"]

NARROWED = ("status", "modifiedSince")
PAGED = ("_filter", "_sort", "_limit", "_offset")
# Deprecated on these three lists only; the others keep status and modifiedSince (docs/facts/absorb.md section 1).
DEPRECATED = ("modifiedSince", "status", "limit", "offset")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `name` is where the client has it: `AbsorbApi.<group attribute>.<method>`.

    `title` is the vendor's heading; two headings occur twice and are told apart by their paths. `paged` is the key of
    the envelope's list, or None for an operation that answers with one object or a plain array.
    """

    name: str
    group: str
    title: str
    method: Method
    path: str
    evidence: Evidence
    paged: str | None = None
    query: tuple[str, ...] = ()
    deprecated: tuple[str, ...] = ()
    note: str = ""

    @property
    def path_parameters(self) -> tuple[str, ...]:
        """Names in the path, in order; every one is a GUID."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def repeatable(self) -> bool:
        """Whether asking twice is the same as asking once.

        No write is taken to be: a second enrollment may re-enroll, a second un-enrollment answers 404.
        """
        return self.method == "GET"


_MINE = "/users/{userId}/enrollments/{courseId}"
_LESSON = _MINE + "/lessons/{lessonId}"
_CHAPTER = _MINE + "/chapters/{chapterId}"

OPERATIONS: tuple[Operation, ...] = (
    # -- Session Enrollments
    Operation(
        "sessions.of_user", "Session Enrollments", "List user's session enrollments for specific course.",
        "GET", _MINE + "/sessions", "inferred", query=NARROWED,
    ),
    Operation(
        "sessions.get", "Session Enrollments", "Get user's session enrollment for specific course.",
        "GET", _MINE + "/sessions/{sessionId}", "inferred", query=NARROWED,
    ),
    Operation(
        "sessions.enroll", "Session Enrollments", "Create ILC enrollment for user.",
        "POST", _MINE + "/sessions/{sessionId}", "inferred", query=("reEnroll", "cancelSession"),
    ),
    Operation(
        "sessions.of_session", "Session Enrollments", "List an ILC's session enrollments.",
        "GET", "/courses/{courseId}/sessions/{sessionId}/enrollments", "inferred", "enrollments", NARROWED + PAGED,
    ),
    # -- Chapter Enrollments
    Operation(
        "chapters.of_user", "Chapter Enrollments", "List chapter enrollments for a specified course.",
        "GET", _MINE + "/chapters", "inferred", query=NARROWED,
    ),
    Operation(
        "chapters.get", "Chapter Enrollments", "Get chapter enrollment for a specified course.",
        "GET", _CHAPTER, "inferred", query=NARROWED,
    ),
    # -- Enrollments
    Operation(
        "enrollments.create", "Enrollments", "Create enrollment for user and course.",
        "POST", _MINE, "inferred", query=("reEnroll",),
    ),
    Operation(
        "enrollments.of_user_in_course", "Enrollments", "Get user's enrollment for specific course.",
        "GET", _MINE, "sourced", query=NARROWED,
    ),
    Operation(
        "enrollments.create_or_update", "Enrollments", "Create or update course enrollment.",
        "POST", "/users/{userId}/enrollments", "inferred", query=("reEnroll",), note="could be PUT",
    ),
    Operation(
        "enrollments.of_user", "Enrollments", "List course enrollments for specific user.",
        "GET", "/users/{userId}/enrollments", "sourced", "enrollments", PAGED, DEPRECATED,
    ),
    Operation(
        "enrollments.unenroll", "Enrollments", "Un-enroll users from courses.",
        "POST", "/enrollments/unenroll", "inferred", note="the path is sourced, the method is not: could be DELETE",
    ),
    Operation(
        "enrollments.get", "Enrollments", "Get course enrollment.",
        "GET", "/enrollments/{id}", "sourced",
    ),
    Operation(
        "enrollments.of_course", "Enrollments", "List enrollments for specific course.",
        "GET", "/courses/{courseId}/enrollments", "sourced", "enrollments", PAGED, DEPRECATED,
    ),
    Operation(
        "enrollments.of_course_for_user", "Enrollments", "Get user's enrollment for specific course.",
        "GET", "/courses/{courseId}/enrollments/{userId}", "inferred", query=NARROWED,
    ),
    Operation(
        "enrollments.bulk", "Enrollments", "List course enrollments for bulk user list.",
        "GET", "/bulk/student-courses", "inferred", query=("userIds", "courseIds"),
        note="the path is sourced; that it is this operation, and how ids are listed, is not",
    ),
    # -- Lesson Enrollments
    Operation(
        "lessons.of_lesson", "Lesson Enrollments", "Lists enrollments for a lesson.",
        "GET", "/courses/{courseId}/lessons/{lessonId}/enrollments", "sourced", "lessonEnrollments", PAGED, DEPRECATED,
    ),
    Operation(
        "lessons.get_in_chapter", "Lesson Enrollments", "Get lesson enrollment.",
        "GET", _CHAPTER + "/lessons/{lessonId}", "inferred", query=NARROWED,
    ),
    Operation(
        "lessons.of_user", "Lesson Enrollments", "List user's lesson enrollments from specific course.",
        "GET", _MINE + "/lessons", "sourced", query=NARROWED,
    ),
    Operation(
        "lessons.get", "Lesson Enrollments", "Get user's lesson enrollment.",
        "GET", _LESSON, "inferred", query=NARROWED,
    ),
    Operation(
        "lessons.of_chapter", "Lesson Enrollments", "List user's lesson enrollments from specific chapter.",
        "GET", _CHAPTER + "/lessons", "inferred", query=NARROWED,
    ),
    # -- Attempts; the vendor's page describes every path parameter here as "The course ID.", which is a slip of theirs
    Operation(
        "attempts.of_lesson", "Attempts", "List user's attempts for specific lesson.",
        "GET", _LESSON + "/attempts", "sourced", note="lessonId is the course's lesson, not the lesson enrollment's id",
    ),
    Operation(
        "attempts.start", "Attempts", "Start attempt for active lesson enrollment.",
        "POST", _LESSON + "/attempts", "inferred",
    ),
    Operation(
        "attempts.finish", "Attempts", "Finish attempt.",
        "PUT", "/attempts/{attemptId}", "inferred", note="the path is sourced, the method is not: could be POST",
    ),
    Operation(
        "attempts.finish_in_lesson", "Attempts", "Finish attempt.",
        "PUT", _LESSON + "/attempts/{attemptId}", "inferred", note="could be POST",
    ),
    # -- My Enrollments
    Operation(
        "mine.get", "My Enrollments", "Get currently authenticated user's course enrollment.",
        "GET", "/my-enrollments/{courseId}", "sourced", query=NARROWED,
    ),
    Operation(
        "mine.enroll", "My Enrollments", "Create course enrollment for the currently authenticated user.",
        "POST", "/enroll/{courseId}", "inferred",
        note="the path is sourced; that it is this operation is not: could be POST /my-enrollments/{courseId}",
    ),
    Operation(
        "mine.enrollments", "My Enrollments", "List currently authenticated user's course enrollments.",
        "GET", "/my-enrollments", "sourced", "enrollments", NARROWED + PAGED,
    ),
)  # fmt: skip

BY_NAME = {operation.name: operation for operation in OPERATIONS}
