"""What a course is made of: chapters with lessons, or sessions. A pure function of the course, so nothing is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from connector.sandbox.portal.generator import stable_guid

_CHAPTERS = ("Introduction", "Principles", "Practice", "Wrap-up")
_LESSONS = ("Overview", "Reading", "Video", "Exercise", "Case study")
_PLACES = ("Online", "Dublin", "Toronto", "Lyon", "Perth")


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson and the chapter it stands in."""

    lesson_id: str
    name: str
    chapter_id: str


@dataclass(frozen=True, slots=True)
class Outline:
    """Chapters and sessions as (id, name), lessons in course order."""

    chapters: tuple[tuple[str, str], ...] = ()
    lessons: tuple[Lesson, ...] = ()
    sessions: tuple[tuple[str, str], ...] = ()
    # Enrollments of such courses cannot be created through these operations (docs/facts/absorb.md section 1).
    multi_session: bool = False


def outline_of(course: Mapping[str, Any]) -> Outline:
    """The outline of a course row: online courses have lessons, instructor-led ones sessions, bundles neither."""
    return _outline(str(course.get("id")).lower(), str(course.get("courseType")))


@lru_cache(maxsize=4096)
def _outline(course_id: str, course_type: str) -> Outline:
    dice = int(stable_guid(f"{course_id}/outline")[:8], 16)
    if course_type == "InstructorLedCourse":
        return _sessions(course_id, dice)
    # One online course in eight is a single object without lessons that the API would show.
    return _chapters(course_id, dice) if course_type == "OnlineCourse" and dice % 8 else Outline()


def _sessions(course_id: str, dice: int) -> Outline:
    count = 1 + dice % 4
    names = (
        (stable_guid(f"{course_id}/session/{n}"), f"{_PLACES[(dice + n) % 5]}, group {n + 1}") for n in range(count)
    )
    return Outline(sessions=tuple(names), multi_session=dice // 4 % 6 == 5)


def _chapters(course_id: str, dice: int) -> Outline:
    chapters, lessons = [], []
    for number in range(1 + dice // 8 % 3):
        chapter_id = stable_guid(f"{course_id}/chapter/{number}")
        chapters.append((chapter_id, _CHAPTERS[number]))
        for place in range(1 + (dice >> (5 + number)) % 3):
            name = f"{_CHAPTERS[number]}: {_LESSONS[(dice + place) % 5]}"
            lessons.append(Lesson(stable_guid(f"{chapter_id}/lesson/{place}"), name, chapter_id))
    return Outline(tuple(chapters), tuple(lessons))
