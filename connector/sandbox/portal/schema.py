"""What the portal's streams look like: field names, their kinds, and which ones have an indexed column.

Field lists: docs/facts/absorb.md section 5. That ``score`` neither filters nor sorts: section 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["guid", "text", "number", "bool", "date", "array"]


@dataclass(frozen=True)
class Stream:
    """One collection: its table, the fields that filters may name, and its default order."""

    name: str
    default_sort: str
    fields: Mapping[str, Kind]
    columns: Mapping[str, str] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()

    def find(self, wanted: str) -> str | None:
        """Return the field's own spelling; names are matched without regard to case."""
        return _folded(self.name).get(wanted.casefold())

    def expression(self, name: str) -> str:
        """Return the SQL that reads a field: an indexed column, or the served JSON itself."""
        if name in self.columns:
            return self.columns[name]
        path = "$." + name.replace("/", ".")
        read = f"json_extract(json, '{path}')"
        kind = self.fields[name]
        if kind == "date":
            return f"canonical({read})"
        return f"lower({read})" if kind == "guid" else read


def _kinds(**names: str) -> dict[str, Kind]:
    """Spell a field table compactly: one whitespace-separated list of names per kind."""
    known: dict[str, Kind] = {}
    for kind, listed in names.items():
        for name in listed.split():
            known[name] = kind  # type: ignore[assignment]
    return known


def _numbered(prefix: str, count: int) -> Iterable[str]:
    return (f"customFields/{prefix}{number}" for number in range(1, count + 1))


_COMMON = {"id": "key", "dateEdited": "date_edited", "dateAdded": "date_added"}

ENROLLMENTS = Stream(
    name="enrollments",
    default_sort="courseName",
    fields=_kinds(
        guid="id courseId courseVersionId userId enrollmentKeyId certificateId courseCollectionId",
        text="courseName fullName timeSpent jobTitle avatar",
        number="progress score status timeSpentTicks credits",
        bool="acceptedTermsAndConditions isActive",
        date="dateCompleted dateExpires dateEdited dateAdded dateStarted dateDue accessDate",
    ),
    columns=_COMMON
    | {
        "courseId": "course_id",
        "userId": "user_id",
        "courseName": "name",
        "status": "status",
        "isActive": "is_active",
    },
    closed=frozenset({"score"}),
)
USERS = Stream(
    name="users",
    default_sort="lastName",
    fields=_kinds(
        guid="id departmentId languageId provinceId countryId supervisorId",
        text="firstName middleName lastName username emailAddress externalId address address2 city "
        "postalCode phone employeeNumber location jobTitle referenceNumber notes " + " ".join(_numbered("string", 30)),
        number="gender activeStatus " + " ".join(_numbered("decimal", 5)),
        bool="isLearner isAdmin isInstructor isManager hasUsername " + " ".join(_numbered("bool", 5)),
        date="dateHired dateTerminated dateEdited dateAdded lastLoginDate " + " ".join(_numbered("datetime", 5)),
        array="ccEmailAddresses roleIds",
    ),
    columns=_COMMON | {"lastName": "name"},
)
COURSES = Stream(
    name="courses",
    default_sort="name",
    fields=_kinds(
        guid="id categoryId",
        text="courseType name description notes externalId audience goals vendor certificateUrl",
        number="expireType activeStatus companyCost learnerCost companyTime learnerTime",
        bool="allowCourseEvaluation",
        date="accessDate expiryDate dateEdited dateAdded",
        array="tagIds resourceIds editorIds prices competencyDefinitionIds prerequisiteCourseIds "
        "postEnrollmentCourseIds expireDuration",
    ),
    columns=_COMMON | {"name": "name"},
)
DEPARTMENTS = Stream(
    name="departments",
    default_sort="name",
    fields=_kinds(
        guid="id parentId currencyId",
        text="name companyName phoneNumber emailAddress externalId",
        bool="useDepartmentContactDetails",
        date="dateEdited dateAdded",
    ),
    columns=_COMMON | {"name": "name"},
)
STREAMS: dict[str, Stream] = {s.name: s for s in (USERS, COURSES, DEPARTMENTS, ENROLLMENTS)}

# What lies inside a course enrollment (docs/facts/absorb.md section 5); `score` is closed as it is on the parent.
_DETAIL = {"id": "key", "name": "name", "dateEdited": "date_edited", "userId": "user_id", "status": "status"}
_DETAIL |= {"courseEnrollmentId": "enrollment_id"}
LESSON_ENROLLMENTS = Stream(
    name="lesson_enrollments",
    default_sort="name",
    fields=_kinds(
        guid="id chapterEnrollmentId courseEnrollmentId chapterId lessonId userId",
        text="type name fullName timeSpent",
        number="attempts failures status progress score",
        date="lastAttempt dateEnrolled dateStarted dateCompleted dateEdited dateAdded",
    ),
    columns=_DETAIL | {"dateAdded": "date_added", "lessonId": "item_id", "chapterId": "parent_id"},
    closed=frozenset({"score"}),
)
CHAPTER_ENROLLMENTS = Stream(
    name="chapter_enrollments",
    default_sort="name",
    fields=_kinds(
        guid="id courseEnrollmentId chapterId sessionId lessonId userId",
        text="name fullName timeSpent",
        number="status progress score",
        date="dateEnrolled dateStarted dateCompleted",
        array="lessonEnrollmentIds",
    ),
    columns=_DETAIL | {"chapterId": "item_id"},
    closed=frozenset({"score"}),
)
SESSION_ENROLLMENTS = Stream(
    name="session_enrollments",
    default_sort="name",
    fields=_kinds(
        guid="id sessionId courseEnrollmentId userId",
        text="name fullName timeSpent",
        number="status progress score",
        date="dateEnrolled dateStarted dateCompleted dateEdited",
    ),
    columns=_DETAIL | {"sessionId": "item_id"},
    closed=frozenset({"score"}),
)
ATTEMPTS = Stream(
    name="attempts",
    default_sort="startDate",
    fields=_kinds(guid="id", number="timeSpentTicks status score", date="startDate completionDate"),
)
DETAILS: dict[str, Stream] = {
    s.name: s for s in (LESSON_ENROLLMENTS, CHAPTER_ENROLLMENTS, SESSION_ENROLLMENTS, ATTEMPTS)
}

_FOLDED: dict[str, dict[str, str]] = {
    stream.name: {name.casefold(): name for name in stream.fields} for stream in (STREAMS | DETAILS).values()
}


def _folded(stream: str) -> dict[str, str]:
    return _FOLDED[stream]
