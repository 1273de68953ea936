"""Operations on course enrollments: anybody's, and those of the account that is logged in."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Unpack

from connector.absorb.api.base import Group, Listing, Narrow, ids, narrowed
from connector.absorb.api.calls import GuidLike, guid
from connector.absorb.api.resources import CourseEnrollmentUpdate, EnrollmentCreated, Unenrolled
from connector.streams.rows import Enrollment

# A GET carries its ids in the URL: this many of each kind stay well below the 8 KB that gateways take.
BULK_IDS = 60


class Enrollments(Group):
    """Course enrollments. Writes refuse multi-session ILCs."""

    async def create(self, user_id: GuidLike, course_id: GuidLike, *, re_enroll: bool = False) -> EnrollmentCreated:
        """Enroll a learner; `re_enroll` turns an enrollment that is there into history and makes a new one."""
        path, path_ids = "/users/{userId}/enrollments/{courseId}", ids(user=user_id, course=course_id)
        return await self._calls.one("POST", path, EnrollmentCreated, path_ids, query={"reEnroll": re_enroll})

    async def of_user_in_course(self, user_id: GuidLike, course_id: GuidLike, **narrow: Unpack[Narrow]) -> Enrollment:
        """A learner's enrollment in a course, by the learner's path."""
        path, path_ids = "/users/{userId}/enrollments/{courseId}", ids(user=user_id, course=course_id)
        return await self._calls.one("GET", path, Enrollment, path_ids, query=narrowed(**narrow))

    async def create_or_update(
        self, user_id: GuidLike, change: CourseEnrollmentUpdate, *, re_enroll: bool = False
    ) -> EnrollmentCreated:
        """Enroll a learner into `change.course_id`, or set those properties of `change` that were given."""
        # Could be PUT.
        path, query = "/users/{userId}/enrollments", {"reEnroll": re_enroll}
        return await self._calls.one(
            "POST", path, EnrollmentCreated, ids(user=user_id), query=query, body=change.body()
        )

    def of_user(self, user_id: GuidLike, **listing: Unpack[Listing]) -> AsyncIterator[Enrollment]:
        """All course enrollments of one learner, history included."""
        return self._list("/users/{userId}/enrollments", Enrollment, ids(user=user_id), **listing)

    async def unenroll(self, enrollment_ids: Sequence[GuidLike]) -> Unenrolled:
        """Take learners out of courses by enrollment id: online courses, ILCs, curricula and bundles."""
        # The path is sourced; the method could be DELETE.
        body = [guid(value, "enrollment id") for value in enrollment_ids]
        return await self._calls.one("POST", "/enrollments/unenroll", Unenrolled, body=body)

    async def get(self, enrollment_id: GuidLike) -> Enrollment:
        """One enrollment by its own id."""
        return await self._calls.one("GET", "/enrollments/{id}", Enrollment, {"id": guid(enrollment_id, "id")})

    def of_course(self, course_id: GuidLike, **listing: Unpack[Listing]) -> AsyncIterator[Enrollment]:
        """All enrollments of one course, history included."""
        return self._list("/courses/{courseId}/enrollments", Enrollment, ids(course=course_id), **listing)

    async def of_course_for_user(self, course_id: GuidLike, user_id: GuidLike, **narrow: Unpack[Narrow]) -> Enrollment:
        """A learner's enrollment in a course, by the course's path: the vendor lists both."""
        path, path_ids = "/courses/{courseId}/enrollments/{userId}", ids(user=user_id, course=course_id)
        return await self._calls.one("GET", path, Enrollment, path_ids, query=narrowed(**narrow))

    async def bulk(self, user_ids: Sequence[GuidLike], course_ids: Sequence[GuidLike]) -> list[Enrollment]:
        """The enrollments of these learners in these courses; an empty sequence of one kind means any of it.

        Long lists are asked for in parts. Raises ValueError when both are empty.
        """
        # The path is sourced; that it is this operation, and how ids are listed, is not.
        if not user_ids and not course_ids:
            raise ValueError("name learners, courses or both")
        found: list[Enrollment] = []
        for users in _parts(user_ids, "user id"):
            for courses in _parts(course_ids, "course id"):
                query = {"userIds": users, "courseIds": courses}
                found += await self._calls.many("/bulk/student-courses", Enrollment, query=query)
        return found


class Mine(Group):
    """Course enrollments of the account that is logged in."""

    async def get(self, course_id: GuidLike, **narrow: Unpack[Narrow]) -> Enrollment:
        """One's own enrollment in a course."""
        path, path_ids = "/my-enrollments/{courseId}", ids(course=course_id)
        return await self._calls.one("GET", path, Enrollment, path_ids, query=narrowed(**narrow))

    async def enroll(self, course_id: GuidLike) -> EnrollmentCreated:
        """Enroll oneself."""
        # The path is sourced; that it is this operation is not: could be POST /my-enrollments/{courseId}.
        return await self._calls.one("POST", "/enroll/{courseId}", EnrollmentCreated, ids(course=course_id))

    def enrollments(self, **listing: Unpack[Listing]) -> AsyncIterator[Enrollment]:
        """All of one's own course enrollments."""
        return self._list("/my-enrollments", Enrollment, **listing)


def _parts(values: Sequence[GuidLike], name: str) -> Iterator[list[str] | None]:
    """The ids in parts that a URL can carry; one part of None when there are none."""
    known = [guid(value, name) for value in values]
    if not known:
        yield None
    for start in range(0, len(known), BULK_IDS):
        yield known[start : start + BULK_IDS]
