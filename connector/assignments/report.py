"""What `assign` is told to do, what is to be done for each assignment, and what it did."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

SAMPLES = 3
MOST_FAILURES = 20


@dataclass(frozen=True, slots=True)
class AssignOptions:
    """Without `apply` nothing is written anywhere. `limit` caps the enrollments; `retry` tries refused ones again."""

    apply: bool = False
    limit: int | None = None
    retry: bool = False
    samples: int = SAMPLES


@dataclass(frozen=True, slots=True)
class Assignment:
    """An assignment that is due: its id in Salesforce, whom and what it means in Absorb, from when and until when."""

    assignment_id: str
    user_id: str
    course_id: str
    start_at: datetime | None = None
    due_at: datetime | None = None

    @property
    def has_dates(self) -> bool:
        """True when Salesforce says from when or until when."""
        return self.start_at is not None or self.due_at is not None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of ops.assignments; `was_there`: the portal had the enrollment before it was asked for one.

    `dates_kept`: the enrollment has the dates that were asked for; None where none were, and for one that was there.
    """

    assignment: Assignment
    state: str
    enrollment_id: str | None = None
    error_code: str | None = None
    error_text: str | None = None
    was_there: bool = False
    dates_kept: bool | None = None


@dataclass(slots=True)
class _Calls:
    """Calls of Salesforce made, the org's daily calls used and allowed, and requests of Absorb."""

    calls: int = 0
    api_used: int = 0
    api_allowed: int = 0
    absorb_requests: int = 0


@dataclass(slots=True)
class AssignReport(_Calls):
    """What was done about the assignments, or with `dry_run` would be.

    `outcomes`: assignments by what the plan says of them. `enrolled` were enrolled by this run, `already` turned out to
    be enrolled when the portal was asked, `left_out` are due and beyond the limit.
    """

    dry_run: bool = True
    read: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    enrolled: int = 0
    already: int = 0
    rejected: int = 0
    deferred: int = 0
    left_out: int = 0
    # Enrollments made whose assignment has a start or a due date: kept, or dropped by the portal.
    dates: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    # {outcome, assignment_id, learner, course, user_id, course_id, error_code, error_text}
    samples: list[dict[str, Any]] = field(default_factory=list)
    # {state, assignment_id, user_id, course_id, error_code, error_text}: the first that the portal did not take.
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True when nothing is rejected, deferred, held back by an earlier rejection, or left out by a limit."""
        return not (self.rejected or self.deferred or self.left_out or self.outcomes.get("held"))

    def count(self, entry: Entry) -> None:
        """Add what became of one assignment."""
        self.enrolled += entry.state == "enrolled" and not entry.was_there
        self.already += entry.was_there
        self.rejected += entry.state == "rejected"
        self.deferred += entry.state == "deferred"
        if entry.dates_kept is not None:
            name = "kept" if entry.dates_kept else "dropped"
            self.dates[name] = self.dates.get(name, 0) + 1
        if entry.state == "enrolled":
            return
        code = entry.error_code or "UNKNOWN"
        self.errors[code] = self.errors.get(code, 0) + 1
        if len(self.failures) < MOST_FAILURES:
            reason = {"error_code": entry.error_code, "error_text": entry.error_text}
            who = {name: getattr(entry.assignment, name) for name in ("assignment_id", "user_id", "course_id")}
            self.failures.append({"state": entry.state, **who, **reason})
