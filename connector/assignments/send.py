"""Makes enrollments in Absorb, one at a time. Whether one is there is asked before, and after a call without answer."""

from connector.absorb.api import AbsorbApi
from connector.absorb.client import AbsorbClient
from connector.absorb.faults import concerns_every_call, is_key_refused
from connector.assignments.report import Assignment, Entry
from connector.errors import (
    ApiError,
    BadRequestError,
    LearnsyncError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    ServerFaultError,
    UnreachableError,
    WrongPathError,
)
from connector.settings import variable

# This many deferred in a row mean that the portal is down, so the run ends.
DEFERRALS_IN_A_ROW = 3
# After these it is unknown whether the portal carried the call out.
UNCERTAIN = (UnreachableError, ServerFaultError, ProtocolError)


class Sender:
    """Enrolls learners in one portal. `stopped` holds what keeps every further call from succeeding."""

    def __init__(self, client: AbsorbClient) -> None:
        self._enrollments = AbsorbApi(client).enrollments
        self._in_a_row = 0
        self.stopped: LearnsyncError | None = None

    async def enroll(self, assignment: Assignment) -> Entry:
        """Make sure that there is an enrollment, history included. What Absorb refuses is in the entry, not raised."""
        try:
            entry = await self._enroll(assignment)
        except (BadRequestError, NotFoundError) as failure:
            entry = _failed(assignment, "rejected", failure)
        except LearnsyncError as failure:
            entry = _failed(assignment, "deferred", failure)
            self._stop_if_lasting(failure)
        if entry.state != "deferred":
            self._in_a_row = 0
        return entry

    async def _enroll(self, assignment: Assignment) -> Entry:
        if there := await self._find(assignment):
            return Entry(assignment, "enrolled", there, was_there=True)
        try:
            made = await self._enrollments.create(assignment.user_id, assignment.course_id)
        except UNCERTAIN:
            if there := await self._find(assignment):
                return Entry(assignment, "enrolled", there)
            raise
        return Entry(assignment, "enrolled", made.enrollment_id)

    async def _find(self, assignment: Assignment) -> str | None:
        """The id of an enrollment of this learner in this course; None where the portal has none, or shows none."""
        try:
            return (await self._enrollments.of_user_in_course(assignment.user_id, assignment.course_id)).id
        except NotFoundError:
            return None

    def _stop_if_lasting(self, failure: LearnsyncError) -> None:
        """Stop where every further call would fail in the same way: key, token, role, path, an outage."""
        self._in_a_row += 1
        lasting = isinstance(failure, ApiError) and (
            concerns_every_call(failure) or isinstance(failure, PermissionDeniedError | WrongPathError)
        )
        if isinstance(failure, PermissionDeniedError) and not is_key_refused(failure):
            failure.remedy = (
                "Give the admin that learnsync logs in as a role that may view and enroll learners, or set"
                f" {variable('assignments', 'enabled')}=false."
            )
        if lasting or not isinstance(failure, UNCERTAIN) or self._in_a_row >= DEFERRALS_IN_A_ROW:
            self.stopped = failure


def _failed(assignment: Assignment, state: str, failure: LearnsyncError) -> Entry:
    """The entry for a state in which there is no enrollment, with the reason."""
    code = str(getattr(failure, "status", 0) or type(failure).__name__.removesuffix("Error"))
    return Entry(assignment, state, error_code=code, error_text=failure.message)
