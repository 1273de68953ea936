"""One enrollment after the other into Absorb, each asked for before it is made and, where no answer came, after."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from connector.absorb.api.groups import AbsorbApi
from connector.absorb.client import AbsorbClient
from connector.absorb.faults import concerns_every_call, is_key_refused
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
from connector.settings import Settings

# So many that came to nothing one after the other are an outage, not bad luck.
DEFERRALS_IN_A_ROW = 3
# After these the portal may have carried the call out all the same.
UNCERTAIN = (UnreachableError, ServerFaultError, ProtocolError)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of ops.assignments; `was_there`: the portal had the enrollment before it was asked for one."""

    state: str
    assignment_id: str
    user_id: str
    course_id: str
    enrollment_id: str | None = None
    error_code: str | None = None
    error_text: str | None = None
    was_there: bool = False

    def row(self) -> dict[str, Any]:
        """What the ledger keeps."""
        return {
            "state": self.state, "assignment_id": self.assignment_id, "user_id": self.user_id,
            "course_id": self.course_id, "enrollment_id": self.enrollment_id, "error_code": self.error_code,
            "error_text": self.error_text,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Assignment:
    """An assignment that is due: its id in Salesforce, and whom and what it means in Absorb."""

    assignment_id: str
    user_id: str
    course_id: str

    def entry(self, state: str, failure: LearnsyncError | None = None) -> Entry:
        """The entry for a state in which there is no enrollment, with the reason."""
        code = text = None
        if failure is not None:
            code = str(getattr(failure, "status", 0) or type(failure).__name__.removesuffix("Error"))
            text = failure.message
        return Entry(state, self.assignment_id, self.user_id, self.course_id, error_code=code, error_text=text)

    def enrolled(self, enrollment_id: str, *, was_there: bool = False) -> Entry:
        """The entry once there is an enrollment."""
        return Entry("enrolled", self.assignment_id, self.user_id, self.course_id, enrollment_id, was_there=was_there)


class Sender(AbstractAsyncContextManager["Sender"]):
    """Enrolls learners in one portal. `stopped` holds what keeps every further call from succeeding."""

    def __init__(self, settings: Settings) -> None:
        self._client = AbsorbClient.of(settings)
        self._enrollments = AbsorbApi(self._client).enrollments
        self._in_a_row = 0
        self.stopped: LearnsyncError | None = None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    @property
    def requests(self) -> int:
        """Calls made so far, the login included."""
        return self._client.session.stats.requests

    async def enroll(self, assignment: Assignment) -> Entry:
        """Make sure that there is an enrollment, history included. What Absorb refuses is in the entry, not raised."""
        try:
            entry = await self._enroll(assignment)
        except (BadRequestError, NotFoundError) as failure:
            entry = assignment.entry("rejected", failure)
        except LearnsyncError as failure:
            entry = assignment.entry("deferred", failure)
            self._judge(failure)
        if entry.state != "deferred":
            self._in_a_row = 0
        return entry

    async def _enroll(self, assignment: Assignment) -> Entry:
        there = await self._find(assignment)
        if there:
            return assignment.enrolled(there, was_there=True)
        try:
            made = await self._enrollments.create(assignment.user_id, assignment.course_id)
        except UNCERTAIN:
            there = await self._find(assignment)
            if there is None:
                raise
            return assignment.enrolled(there)
        return assignment.enrolled(made.enrollment_id)

    async def _find(self, assignment: Assignment) -> str | None:
        """The id of an enrollment of this learner in this course; None where the portal has none, or shows none."""
        try:
            found = await self._enrollments.of_user_in_course(assignment.user_id, assignment.course_id)
        except NotFoundError:
            return None
        return found.id

    def _judge(self, failure: LearnsyncError) -> None:
        """Stop for what every further call would meet as well: key, token, role, path, an outage."""
        self._in_a_row += 1
        lasting = isinstance(failure, ApiError) and (
            concerns_every_call(failure) or isinstance(failure, PermissionDeniedError | WrongPathError)
        )
        if isinstance(failure, PermissionDeniedError) and not is_key_refused(failure):
            failure.remedy = (
                "Give the admin that learnsync logs in as a role that may view and enroll learners, or set"
                " LEARNSYNC_ASSIGNMENTS__ENABLED=false."
            )
        if lasting or not isinstance(failure, UNCERTAIN) or self._in_a_row >= DEFERRALS_IN_A_ROW:
            self.stopped = failure
