"""Fill a portal with made-up people, courses and enrollments, shaped like a real one and repeatable.

Proportions: one real portal held 1,032,549 enrollments in 2,215 courses (docs/facts/absorb.md section 6).
"""

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache

from connector.sandbox.kit.instants import canonical
from connector.sandbox.kit.randomness import Dice
from connector.sandbox.portal.enrollments import EnrollmentMaker
from connector.sandbox.portal.people import LEVELS, TOPICS, VENDORS, make_departments, make_users
from connector.sandbox.portal.schema import ALL, STREAMS
from connector.sandbox.portal.state import Portal, Row

ENROLLMENTS_PER_COURSE = 466
RE_ENROLLED_SHARE = 0.06
BULK_EDIT_ROWS = 1050
# Portals up to this size are kept as patterns for the next ones (about 1 MB for a thousand enrollments).
_KEPT_SCALE = 5000


def fill(portal: Portal, *, scale: int, courses: int | None, seed: int, now: datetime) -> None:
    """As ``generate``; a small portal that this process has made before is copied instead of made again."""
    if scale <= _KEPT_SCALE and not any(portal.count(stream) for stream in STREAMS):
        portal.copy_from(_made(scale, courses, seed, now))
    else:
        generate(portal, scale=scale, courses=courses, seed=seed, now=now)


@lru_cache(maxsize=16)
def _made(scale: int, courses: int | None, seed: int, now: datetime) -> Portal:
    portal = Portal()
    generate(portal, scale=scale, courses=courses, seed=seed, now=now)
    return portal


def generate(
    portal: Portal, *, scale: int, courses: int | None = None, seed: int = 20260101, now: datetime | None = None
) -> None:
    """Fill an empty portal with ``scale`` enrollments; equal arguments give equal rows."""
    if scale < 0:
        raise ValueError("scale must not be negative")
    dice = Dice(random.Random(seed))  # noqa: S311 - repeatable choices, not secrets
    moment = int((now or portal.now()).astimezone(UTC).timestamp())
    departments = make_departments(dice, moment)
    users = make_users(dice, moment, max(40, scale // 4), departments)
    catalogue = make_courses(dice, moment, courses or max(12, scale // ENROLLMENTS_PER_COURSE))
    portal.load("departments", departments)
    portal.load("users", users)
    portal.load("courses", catalogue)
    sizes = course_sizes(scale, len(catalogue), len(users))
    portal.load("enrollments", _enrollments(dice, moment, users, catalogue, sizes))


def course_sizes(scale: int, courses: int, users: int) -> list[int]:
    """Skewed sizes that add up to ``scale``; the smallest courses have 1 and 0 enrollments."""
    exponent = 0.7 if courses < 50 else 0.9
    few = max(1, courses // 40)
    tail = [1] * few + [0] * few if courses > 2 and scale > courses else []
    weights = [1 / (rank + 1) ** exponent for rank in range(courses - len(tail))]
    unit = (scale - sum(tail)) / sum(weights)
    # More rows than learners means re-enrollments only, which no real course looks like.
    cap = max(1, int(users * (1 + RE_ENROLLED_SHARE)))
    sizes = [min(cap, int(weight * unit)) for weight in weights]
    missing, place = scale - sum(tail) - sum(sizes), 0
    while missing > 0:
        room = min(missing, max(1, missing // len(sizes)))
        if sizes[place] + room > cap and any(size < cap for size in sizes):
            room = cap - sizes[place]
        sizes[place] += room
        missing -= room
        place = (place + 1) % len(sizes)
    return sizes + tail


def _enrollments(dice: Dice, now: int, users: list[Row], courses: list[Row], sizes: list[int]) -> Iterator[Row]:
    bundles = [c["id"] for c in courses if c["courseType"] in ("CourseBundle", "Curriculum")]
    maker = EnrollmentMaker(dice, now, bundles)
    bulk = next((place for place, size in enumerate(sizes) if size > BULK_EDIT_ROWS), None)
    for place, (course, size) in enumerate(zip(courses, sizes, strict=True)):
        rows = _course_enrollments(dice, maker, users, course, size)
        yield from _bulk_edited(dice, rows, now) if place == bulk else rows


def _course_enrollments(dice: Dice, maker: EnrollmentMaker, users: list[Row], course: Row, size: int) -> Iterator[Row]:
    """One row per learner, and a chain of older ones for those who were enrolled again."""
    again = int(size * RE_ENROLLED_SHARE) if size >= 10 else 0
    again = max(again, size - len(users))
    learners = dice.random.sample(range(len(users)), size - again) if size else []
    history = [0] * len(learners)
    for number in range(again):
        # Every fifth one was enrolled three times.
        history[(number - number // 5) % len(learners)] += 1
    for learner, earlier in zip(learners, history, strict=True):
        yield from maker.chain(users[learner], course, earlier)


def _bulk_edited(dice: Dice, rows: Iterator[Row], now: int) -> Iterator[Row]:
    """One admin edit touched more rows than a page holds: they share one dateEdited to the digit."""
    instant = dice.instant(now - 7_200)
    moment, edited, later = canonical(instant) or "", 0, False
    for row in rows:
        dates = (canonical(row[name]) for name in ("dateAdded", "dateStarted", "dateCompleted"))
        if edited < BULK_EDIT_ROWS and all(date <= moment for date in dates if date):
            edited += 1
            yield row | {"dateEdited": instant}
        elif not later:
            # The course went on afterwards, so that a pull's overlap does not read the whole block again.
            later = True
            yield row | {"dateEdited": dice.instant(now)}
        else:
            yield row


def make_courses(dice: Dice, now: int, count: int) -> list[Row]:
    """The catalogue: mostly online courses, some led by instructors, some bundles and curricula."""
    made: list[Row] = []
    for number in range(count):
        made.append(_course(dice, now, number, made))
    return made


def _course(dice: Dice, now: int, number: int, earlier: list[Row]) -> Row:
    topic, level = TOPICS[number % len(TOPICS)], LEVELS[number // len(TOPICS) % len(LEVELS)]
    edition = number // (len(TOPICS) * len(LEVELS))
    name = f"{topic} {level}" + (f" ({2020 + edition % 7} v{edition})" if edition else "")
    added = now - dice.days(900, 2000)
    kinds = ("OnlineCourse", "InstructorLedCourse", "CourseBundle", "Curriculum")
    course_type = "CourseBundle" if number == 5 else dice.weighted(kinds, (80, 12, 4, 4))
    if number == 2:
        course_type = "InstructorLedCourse"  # however few courses there are, one has sessions
    required = _required(dice, number, earlier)
    return ALL["courses"].blank | {
        "id": dice.guid(),
        "courseType": course_type,
        "name": name,
        "description": f"<p>{topic}: what everyone needs to know.</p>",
        "externalId": f"CRS-{number:05d}" if dice.chance(0.6) else None,
        "expireType": 0,
        "expireDuration": None,
        "activeStatus": 1 if number % 9 == 7 else 0,
        "prerequisiteCourseIds": required,
        # Who completes the second course is enrolled in the first.
        "postEnrollmentCourseIds": [str(earlier[0]["id"])] if number == 1 else [],
        "allowCourseEvaluation": dice.chance(0.3),
        "categoryId": dice.guid() if dice.chance(0.7) else None,
        "vendor": dice.choice(VENDORS) if dice.chance(0.7) else None,
        "companyCost": 0.0,
        "learnerCost": 0.0,
        "dateEdited": dice.instant(added + dice.days(0, 800)),
        "dateAdded": dice.instant(added),
    }


def _required(dice: Dice, number: int, earlier: list[Row]) -> list[str]:
    """Some courses require another; however few there are, the fourth requires the second."""
    required = [str(dice.choice(earlier)["id"])] if earlier and dice.chance(0.12) else []
    return [str(earlier[1]["id"])] if number == 3 else required


def stable_guid(text: str) -> str:
    """An id that is a pure function of a name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))
