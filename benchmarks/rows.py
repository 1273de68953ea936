"""Rows of the portal as JSON text, with the fields and about the length of real ones (docs/facts/absorb.md section 5).

The values of an enrollment follow from the bytes of its id; those of `version` 1 and later differ from the first.
"""

import json
from datetime import UTC, datetime

from benchmarks.shape import Shape, digest, guid, row_id
from connector.sandbox.portal.schema import ALL

DAY = 86_400_000  # milliseconds, in which all instants are counted here
_SPAN = 1000 * DAY
_FIRST_ADDED = 19_723 * DAY  # 2024-01-01
_STATUSES = [3] * 128 + [0] * 44 + [1] * 38 + [5] * 9 + [6] * 7 + [4] * 7 + [9] * 4 + [2] * 4 + [8] * 4 + [7] * 11
_STARTED, _SCORED = frozenset({1, 3, 4, 5, 7}), frozenset({3, 5, 7})
_TITLES = ("Field Technician", "Account Executive", "Nurse", "Store Manager", "Driver", "Support Engineer")
_NAMES = ("Ana Reyes", "Björn Holm", "Chidi Okafor", "Dora Lang", "Emil Novak", "Farah Andersson", "Gabriel Rahman")
_COURSES = ("Data Privacy Essentials", "Forklift Safety", "First Aid", "Sales Basics", "Security Awareness")
_ENROLLMENT = (
    '{"id":"%s","courseId":"%s","courseName":"%s","progress":%s,"score":%s,"status":%d,"dateCompleted":%s,'
    '"dateExpires":%s,"dateEdited":"%s","dateAdded":"%s","fullName":"%s","courseVersionId":null,"userId":"%s",'
    '"acceptedTermsAndConditions":false,"timeSpentTicks":%d,"timeSpent":"%s","dateStarted":%s,"enrollmentKeyId":null,'
    '"certificateId":%s,"credits":%s,"isActive":%s,"dateDue":%s,"accessDate":null,"jobTitle":"%s",'
    '"courseCollectionId":null,"avatar":null}'
)


def instant(moment: int) -> str:
    """Milliseconds since 1970 as the portal writes an instant: naive UTC."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")[:23]


def edited_of(found: bytes, newest: int) -> int:
    """When a row was last edited; recent rows are more frequent, because portals grow."""
    share = int.from_bytes(found[1:5]) / 2**32
    return newest - int(_SPAN * share * share)


def enrollment(shape: Shape, number: int, course: int, edited: int, version: int = 0) -> bytes:
    """The row of this number, of that course."""
    found = digest("e", number)
    status, user = _STATUSES[found[0]], shape.user_of(number)
    done, started = status == 3, status in _STARTED
    added = _FIRST_ADDED + number * 7919 % 1050 * DAY  # an edit leaves it as it is
    score = 60 + (found[6] + version) % 41 if status in _SCORED and found[6] > 70 else None
    progress = 100.0 if done else round((found[7] + version) * 99 / 512, 1) if started else 0.0
    seconds = (found[8] * 30 + version) if started else 0
    spent = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    at = f'"{instant(edited)}"'
    text = _ENROLLMENT % (
        guid(found),
        row_id("c", course),
        course_name(course),
        progress,
        "null" if score is None else score,
        status,
        at if done else "null",
        f'"{instant(edited + 365 * DAY)}"' if done and found[9] < 40 else "null",
        at[1:-1],
        instant(added),
        full_name(user),
        row_id("u", user),
        seconds * 10_000_000,
        spent,
        f'"{instant((added + edited) // 2)}"' if started else "null",
        f'"{guid(found[::-1])}"' if done and found[10] < 100 else "null",
        "1.0" if done and found[11] < 80 else "null",
        "false" if found[12] < 20 else "true",
        f'"{instant(added + 90 * DAY)[:10]}T00:00:00"' if found[13] < 140 else "null",
        _TITLES[user % len(_TITLES)],
    )
    return text.encode()


def full_name(user: int) -> str:
    """The learner's name."""
    return _NAMES[user % len(_NAMES)]


def course_name(course: int) -> str:
    """The course's title."""
    return f"{_COURSES[course % len(_COURSES)]} {course}"


def course(number: int, edited: int) -> bytes:
    """A course; each has its own list of enrollments."""
    values = {"id": row_id("c", number), "courseType": "OnlineCourse", "name": course_name(number)}
    return _row("courses", edited, values | {"description": "<p>What everyone needs to know.</p>", "activeStatus": 0})


def user(number: int, edited: int) -> bytes:
    """A learner."""
    first, _, last = full_name(number).partition(" ")
    values = {"id": row_id("u", number), "departmentId": row_id("d", number % 9), "firstName": first}
    values |= {"lastName": last, "username": f"learner.{number}", "externalId": f"B{number}"}
    more = {"emailAddress": f"learner.{number}@bench.example", "jobTitle": _TITLES[number % len(_TITLES)]}
    return _row("users", edited, values | more | {"activeStatus": int(number % 16 == 15), "isLearner": True})


def department(number: int, edited: int) -> bytes:
    """A department; number 0 is the root, and the same one in every portal made here."""
    above = row_id("d", 0) if number else None
    return _row("departments", edited, {"id": row_id("d", number), "name": f"Unit {number}", "parentId": above})


def _row(stream: str, edited: int, values: dict[str, object]) -> bytes:
    dates = {"dateEdited": instant(edited), "dateAdded": instant(edited - 30 * DAY)}
    return json.dumps(ALL[stream].blank | values | dates, ensure_ascii=False, separators=(",", ":")).encode()
