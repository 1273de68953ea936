"""What the enrollment operations take and answer besides rows (docs/facts/absorb.md section 1), in snake_case."""

from datetime import UTC, datetime
from enum import IntEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from connector.streams.rows import Guid, Text


class EnrollmentStatus(IntEnum):
    """The thirteen values of an enrollment's status."""

    NOT_STARTED = 0
    IN_PROGRESS = 1
    PENDING_APPROVAL = 2
    COMPLETE = 3
    NOT_COMPLETE = 4
    FAILED = 5
    DECLINED = 6
    PENDING_EVALUATION_REQUIRED = 7
    ON_WAITLIST = 8
    ABSENT = 9
    NOT_APPLICABLE = 10
    PENDING_PROCTOR = 11
    READY_FOR_REVIEW = 12


class AttemptStatus(IntEnum):
    """The three values of an attempt's status."""

    IN_PROGRESS = 1
    COMPLETE = 3
    FAILED = 5


class Result(BaseModel):
    """An answer to a write. Unknown keys are ignored: the portal may add some."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class EnrollmentCreated(Result):
    """The course enrollment that a create, create-or-update or self-enrollment made or found."""

    enrollment_id: Guid
    course_id: Guid
    user_id: Guid


class SessionEnrolled(Result):
    """The course enrollment and the session enrollment that enrolling into an instructor-led session made."""

    user_id: Guid
    course_id: Guid
    session_id: Guid
    enrollment_id: Guid
    session_enrollment_id: Guid


class Unenrolled(Result):
    """How an un-enrollment went; the same shape as the portal's refusals (docs/facts/absorb.md section 3)."""

    validations: list[Any] = Field(default_factory=list)
    code: int | None = None
    message: Text | None = None
    term: Text | None = None
    meta: dict[str, Any] | None = Field(None, alias="_meta")


class AttemptStarted(Result):
    """The attempt that was opened."""

    attempt_id: Guid
    course_id: Guid
    user_id: Guid


class AttemptFinished(Result):
    """The attempt that was closed."""

    attempt_id: Guid


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


# Aware only: the zone that the portal gives to a bare value is not documented (docs/facts/absorb.md section 5).
Moment = Annotated[AwareDatetime, PlainSerializer(_instant, return_type=str, when_used="json-unless-none")]
Id = Annotated[UUID, PlainSerializer(str, return_type=str, when_used="json-unless-none")]


class Request(BaseModel):
    """A body to send. Only what the caller set goes out, so nothing is overwritten by a default."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)

    def body(self) -> dict[str, Any]:
        """The JSON object to send."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class CourseEnrollmentUpdate(Request):
    """The body of "Create or update course enrollment": the course, and the eight properties the portal lets one set.

    The vendor's schema lists the whole enrollment, but names just these as settable; the rest would be dropped in
    silence, so it cannot be given here. Two more of the schema can: `access_date` and `date_due`, which assignments
    of Salesforce have. Whoever sends them must look whether the portal kept them.
    """

    course_id: Id
    status: EnrollmentStatus | None = None
    date_completed: Moment | None = None
    date_expires: Moment | None = None
    course_version_id: Id | None = None
    accepted_terms_and_conditions: bool | None = None
    enrollment_key_id: Id | None = None
    credits: float | None = None
    score: float | None = None
    access_date: Moment | None = None
    date_due: Moment | None = None


class AttemptResult(Request):
    """The body of both "Finish attempt." operations; `status` must be given."""

    status: AttemptStatus
    score: float | None = None
    start_date: Moment | None = None
    completion_date: Moment | None = None
