"""ops.assignments: what is about to be done for each assignment, and what became of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from connector.errors import LearnsyncError
from connector.times import utc_now
from connector.warehouse.database import Connection
from connector.warehouse.statements import rows_param, statements

sql = statements(__package__)


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


def put(connection: Connection, entries: Iterable[Entry], tenant_id: str, org_id: str, run_id: str) -> None:
    """Write these entries over those of the same assignments."""
    rows = rows_param([entry.row() for entry in entries])
    names = {"tenant_id": tenant_id, "org_id": org_id, "now": utc_now(), "run_id": run_id}
    connection.execute(sql("ledger_put"), names | {"entries": rows})
