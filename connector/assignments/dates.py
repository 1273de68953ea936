"""Start and due date of an assignment in Absorb: `accessDate`, before which a course cannot be started, and `dateDue`.

The body that creates an enrollment has both fields, and the vendor's list of what it sets has neither
(docs/facts/absorb.md section 5). So they are sent, and the enrollment is looked at afterwards.
"""

from datetime import datetime, timedelta

from connector.absorb.api.resources import CourseEnrollmentUpdate
from connector.assignments.report import Assignment
from connector.streams.rows import Enrollment
from connector.times import floor_to

_MILLISECOND = timedelta(milliseconds=1)  # the finest that is sent


def body(assignment: Assignment) -> CourseEnrollmentUpdate:
    """What creates the enrollment with those dates that the assignment has."""
    given = {"access_date": assignment.start_at, "date_due": assignment.due_at}
    known = {name: moment for name, moment in given.items() if moment is not None}
    return CourseEnrollmentUpdate.model_validate({"course_id": assignment.course_id, **known})


def kept(assignment: Assignment, there: Enrollment | None) -> bool | None:
    """Whether the enrollment has the dates of the assignment; None where it has none, or nothing could be seen."""
    if not assignment.has_dates or there is None:
        return None
    return _same(assignment.start_at, there.access_date) and _same(assignment.due_at, there.date_due)


def _same(wanted: datetime | None, found: datetime | None) -> bool:
    if wanted is None:
        return True
    return found is not None and floor_to(found, _MILLISECOND) == floor_to(wanted, _MILLISECOND)
