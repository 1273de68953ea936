"""The shape of the portal that is measured: how many enrollments each course has, and the ids of all rows.

Everything is a function of a row's number, so that a portal and a warehouse filled by SQL agree without asking.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import md5
from itertools import accumulate

# A portal as it was counted, and how many learners one like it has.
ENROLLMENTS, COURSES, USERS = 1_032_549, 2_215, 125_000
# One course in so many has no enrollment.
EMPTY_EVERY = 25


@dataclass(frozen=True)
class Shape:
    """How large a portal is. Enrollments are numbered through all courses, the largest course first."""

    enrollments: int
    courses: int
    users: int

    @classmethod
    def of(cls, enrollments: int, courses: int | None = None) -> "Shape":
        """That many enrollments in the proportions of the real portal, or in so many courses."""
        share = enrollments / ENROLLMENTS
        return cls(enrollments, courses or max(2, round(COURSES * share)), max(10, round(USERS * share)))

    @cached_property
    def sizes(self) -> Sequence[int]:
        """Enrollments of each course: few courses with very many, most with a hundred or two, some with none."""
        weights = [0.0 if k % EMPTY_EVERY == EMPTY_EVERY - 1 else (k + 10) ** -1.1 for k in range(self.courses)]
        whole = sum(weights)
        ends = [round(self.enrollments * reached / whole) for reached in accumulate(weights)]
        return [end - begin for begin, end in zip([0, *ends], ends, strict=False)]

    @cached_property
    def starts(self) -> Sequence[int]:
        """Number of the first enrollment of each course."""
        return [0, *accumulate(self.sizes)][:-1]

    def course_of(self, enrollment: int) -> int:
        """The course that holds the enrollment of this number."""
        return bisect_right(self.starts, enrollment) - 1

    def user_of(self, enrollment: int) -> int:
        """Whose it is: neighbours, which are of one course, are of different learners."""
        return enrollment * 7919 % self.users


def digest(letter: str, number: int) -> bytes:
    """Sixteen bytes that stand for a row; DuckDB's `md5(letter || number)` is the same."""
    return md5(b"%s%d" % (letter.encode(), number), usedforsecurity=False).digest()


@cache
def row_id(letter: str, number: int) -> str:
    """The id of a row that others name often: a course, a user, a department."""
    return guid(digest(letter, number))


def guid(found: bytes) -> str:
    """The bytes as an id."""
    text = found.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
