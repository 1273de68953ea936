"""Serve the Open University's real registrations (OULAD) as a portal's enrollments.

Kuzilek, Hlosta, Zdrahal, "Open University Learning Analytics dataset", Scientific Data 2017, CC BY 4.0.
Dates are days relative to a presentation's start: 1 October (J) or 1 February (B) of the code's year.
"""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from connector.sandbox.kit.randomness import Dice
from connector.sandbox.portal.generator import make_courses, stable_guid
from connector.sandbox.portal.people import FIRST_NAMES, LAST_NAMES, department, user
from connector.sandbox.portal.schema import enrollment_row
from connector.sandbox.portal.state import Portal, Row

_STUDENT = ("code_module", "code_presentation", "id_student")
_FILES = {
    "courses.csv": ("code_module", "code_presentation", "module_presentation_length"),
    "studentInfo.csv": (*_STUDENT, "final_result"),
    "studentRegistration.csv": (*_STUDENT, "date_registration", "date_unregistration"),
}
_STATUS = {"Pass": 3, "Distinction": 3, "Fail": 5, "Withdrawn": 6}
_START_MONTH = {"J": 10, "B": 2}
_DEPARTMENT = stable_guid("oulad/department")
Line = dict[str, str]


@dataclass(frozen=True)
class Presentation:
    """One run of a module: what the portal calls a course."""

    code: str
    start: date
    end: date

    @property
    def course_id(self) -> str:
        return stable_guid(f"oulad/{self.code}")


def load_oulad(portal: Portal, folder: Path) -> None:
    """Fill a portal with 22 courses, 28,785 users and 32,593 enrollments from the published files."""
    courses, info, registrations = (list(_read(folder, name)) for name in _FILES)
    presentations = {p.code: p for p in map(_presentation, courses)}
    results = {(_code(line), line["id_student"]): line["final_result"] for line in info}
    people = sorted({int(line["id_student"]) for line in info})
    first = min(p.start for p in presentations.values()) - timedelta(days=365)
    stamp = f"{first.isoformat()}T00:00:00"
    users = {number: _user(number, stamp) for number in people}
    portal.load("departments", [department(_DEPARTMENT, "Open University", None, stamp)])
    portal.load("users", users.values())
    portal.load("courses", _courses(list(presentations.values()), stamp))
    portal.load("enrollments", (_enrollment(line, presentations, results, users) for line in registrations))


def _read(folder: Path, name: str) -> Iterator[Line]:
    path = Path(folder) / name
    if not path.is_file():
        raise ValueError(f"the dataset folder {folder} has no file {name}")
    with path.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        missing = [column for column in _FILES[name] if column not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path}: no column {', '.join(missing)}")
        yield from reader


def _code(line: Line) -> str:
    return f"{line['code_module']} {line['code_presentation']}"


def _presentation(line: Line) -> Presentation:
    text = line["code_presentation"]
    month = _START_MONTH.get(text[-1:])
    if month is None or not text[:-1].isdecimal():
        raise ValueError(f"courses.csv: code_presentation {text!r} is not a year followed by B or J")
    start = date(int(text[:-1]), month, 1)
    length = _days(line, "courses.csv", "module_presentation_length")
    if length is None:
        raise ValueError(f"courses.csv: module_presentation_length of {_code(line)} is empty")
    return Presentation(_code(line), start, start + timedelta(days=length))


def _days(line: Line, file: str, column: str) -> int | None:
    text = line[column]
    try:
        return int(text) if text else None
    except ValueError as error:
        raise ValueError(f"{file}: {column} {text!r} is not a number of days") from error


def _courses(presentations: list[Presentation], stamp: str) -> list[Row]:
    """Complete course resources whose id and name are the presentation's."""
    shells = make_courses(Dice(random.Random(0)), 0, len(presentations))  # noqa: S311 - shape only
    own = {"courseType": "OnlineCourse", "activeStatus": 0, "vendor": "Open University", "categoryId": None}
    plain = own | {"description": None, "prerequisiteCourseIds": [], "dateEdited": stamp, "dateAdded": stamp}
    return [
        shell | plain | {"id": p.course_id, "name": p.code, "externalId": p.code}
        for shell, p in zip(shells, presentations, strict=True)
    ]


def _user(number: int, stamp: str) -> Row:
    """The students are anonymous: their names are made up from their numbers."""
    return user(
        id=stable_guid(f"oulad/student/{number}"),
        number=number,
        first=FIRST_NAMES[number % len(FIRST_NAMES)],
        last=LAST_NAMES[number // len(FIRST_NAMES) % len(LAST_NAMES)],
        domain="example.org",
        departmentId=_DEPARTMENT,
        dateAdded=stamp,
        dateEdited=stamp,
        externalId=f"OU{number}",
        emailAddress=f"student.{number}@example.org",
    )


def _enrollment(
    line: Line, presentations: dict[str, Presentation], results: dict[tuple[str, str], str], users: dict[int, Row]
) -> Row:
    run, student = presentations[_code(line)], line["id_student"]
    result = results.get((run.code, student), "")
    if result not in _STATUS:
        raise ValueError(f"studentInfo.csv: final_result {result!r} of {run.code}/{student} is not known")
    file = "studentRegistration.csv"
    registered = run.start + timedelta(days=_days(line, file, "date_registration") or 0)
    left = _days(line, file, "date_unregistration")
    status = _STATUS[result]
    # Someone may leave before the day they registered for: the last event is never before the first.
    last = run.end if left is None else max(run.start + timedelta(days=left), registered)
    return enrollment_row(
        stable_guid(f"oulad/{run.code}/{student}"),
        users[int(student)],
        {"id": run.course_id, "name": run.code},
        progress=100.0 if status == 3 else 0.0,
        status=status,
        dateCompleted=f"{run.end.isoformat()}T16:00:00" if status == 3 else None,
        dateEdited=f"{last.isoformat()}T16:00:00",
        dateAdded=f"{registered.isoformat()}T09:00:00",
        dateStarted=None if registered > last else f"{max(registered, run.start).isoformat()}T09:00:00",
        dateDue=f"{run.end.isoformat()}T00:00:00",
    )
