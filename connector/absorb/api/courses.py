"""Operations on course enrollments: anybody's, and those of the account that is logged in."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Unpack

from connector.absorb.api.calls import Id, Listing, Narrow, Operations, as_model, cleaned, guid
from connector.absorb.api.resources import CourseEnrollmentUpdate, EnrollmentCreated, Unenrolled
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


def _parts(values: Sequence[Id], name: str) -> Iterator[list[str] | None]:
    """The ids in parts that a URL can carry; one part of None when there are none."""
    known = [guid(value, name) for value in values]
    if not known:
        yield None
    for start in range(0, len(known), BULK_IDS):
        yield known[start : start + BULK_IDS]
