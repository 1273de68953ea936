"""What the portal's streams look like: field names, their kinds, and which ones have an indexed column.

Field lists: docs/facts/absorb.md section 5. That ``score`` neither filters nor sorts: section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Kind = Literal["guid", "text", "number", "bool", "date", "array"]


@dataclass(frozen=True)
class Stream:
    """One collection: its table, the fields that filters may name, and its default order."""

    name: str
    default_sort: str
    fields: Mapping[str, Kind]
    columns: Mapping[str, str] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()

    @cached_property
    def blank(self) -> dict[str, Any]:
        """A row with every field, all empty; custom fields are nested."""
        row: dict[str, Any] = {name: [] if kind == "array" else None for name, kind in self.fields.items()}
        nested = {name.partition("/")[2]: row.pop(name) for name in list(row) if "/" in name}
        return row | ({"customFields": nested} if nested else {})

    @cached_property
    def _folded(self) -> dict[str, str]:
        return {name.casefold(): name for name in self.fields}

    def find(self, wanted: str) -> str | None:
        """Return the field's own spelling; names are matched without regard to case."""
        return self._folded.get(wanted.casefold())

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
    return {name: kind for kind, listed in names.items() for name in listed.split()}  # type: ignore[misc]


def _numbered(prefix: str, count: int) -> str:
    return " ".join(f"customFields/{prefix}{number}" for number in range(1, count + 1))


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
    | {"courseId": "course_id", "userId": "user_id", "courseName": "name", "status": "status", "isActive": "is_active"},
    closed=frozenset({"score"}),
)
USERS = Stream(
    name="users",
    default_sort="lastName",
    fields=_kinds(
        guid="id departmentId languageId provinceId countryId supervisorId",
        text="firstName middleName lastName username emailAddress externalId address address2 city "
        "postalCode phone employeeNumber location jobTitle referenceNumber notes " + _numbered("string", 30),
        number="gender activeStatus " + _numbered("decimal", 5),
        bool="isLearner isAdmin isInstructor isManager hasUsername " + _numbered("bool", 5),
        date="dateHired dateTerminated dateEdited dateAdded lastLoginDate " + _numbered("datetime", 5),
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
STREAMS = {s.name: s for s in (USERS, COURSES, DEPARTMENTS, ENROLLMENTS)}


def _detail(name: str, columns: dict[str, str], **own: str) -> Stream:
    """What lies inside a course enrollment (docs/facts/absorb.md section 5); `score` is closed as on the parent."""
    shared = _kinds(
        guid="id courseEnrollmentId userId",
        text="name fullName timeSpent",
        number="status progress score",
        date="dateEnrolled dateStarted dateCompleted",
    )
    found = {"id": "key", "name": "name", "dateEdited": "date_edited", "userId": "user_id", "status": "status"}
    found |= {"courseEnrollmentId": "enrollment_id"}
    return Stream(name, "name", shared | _kinds(**own), found | columns, frozenset({"score"}))


LESSON_ENROLLMENTS = _detail(
    "lesson_enrollments",
    {"dateAdded": "date_added", "lessonId": "item_id", "chapterId": "parent_id"},
    guid="chapterEnrollmentId chapterId lessonId",
    text="type",
    number="attempts failures",
    date="lastAttempt dateEdited dateAdded",
)
CHAPTER_ENROLLMENTS = _detail(
    "chapter_enrollments",
    {"chapterId": "item_id"},
    guid="chapterId sessionId lessonId",
    array="lessonEnrollmentIds",
)
SESSION_ENROLLMENTS = _detail("session_enrollments", {"sessionId": "item_id"}, guid="sessionId", date="dateEdited")
ATTEMPTS = Stream(
    name="attempts",
    default_sort="startDate",
    fields=_kinds(guid="id", number="timeSpentTicks status score", date="startDate completionDate"),
)
DETAILS = {s.name: s for s in (LESSON_ENROLLMENTS, CHAPTER_ENROLLMENTS, SESSION_ENROLLMENTS, ATTEMPTS)}


def enrollment_row(row_id: str, user: Mapping[str, Any], course: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """A course enrollment that nobody has begun, with the values given."""
    return ENROLLMENTS.blank | {
        "id": row_id,
        "courseId": course["id"],
        "courseName": course["name"],
        "userId": user["id"],
        "fullName": f"{user['firstName']} {user['lastName']}",
        "jobTitle": user.get("jobTitle"),
        "progress": 0.0,
        "status": 0,
        "acceptedTermsAndConditions": False,
        "timeSpentTicks": 0,
        "timeSpent": "00:00:00",
        "isActive": True,
        **values,
    }
