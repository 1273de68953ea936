"""Native learning of an Enablement add-on: items, progress, assignments (docs/facts/salesforce.md sections 0 and 1).

Some learning items have nothing to do with the portal. Others bear the name of one of its courses. Who learns those
natively also learns in the portal, but the org counts by itself: status, percent and dates of its progress come from
the learner and the item, not from the portal's enrollment. So the two differ, as those of a real org would.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.sandbox.kit.instants import moment_of, org_text
from connector.sandbox.org.org import Org
from connector.sandbox.org.rows.table import Row
from connector.sandbox.portal.state import Portal

# How much of the portal is looked at: native programs are few beside an LMS catalogue.
_COURSES, _ENROLLMENTS = 4, 120
_ASSIGNMENTS = 12
# Absorb status → ProgressStatus where no date decides it (docs/status-map.md).
_PLAIN = {0: "NotStarted", 1: "InProgress", 3: "Completed"}
_STATUSES = (
    "Completed", "CompletedOnTime", "CompletedLate", "InProgress", "InProgress", "OnTrack", "Behind", "Overdue",
    "NotStarted", "NotStarted", "NoLongerTracking",
)  # fmt: skip
_DAY = 86_400


def sample(portal: Portal) -> tuple[list[Row], list[Row]]:
    """The first courses by name, and some of their current enrollments, none with a due date.

    What a learner who is inactive in the portal has left open is not among them.
    """
    left = {row["id"] for row in portal.users() if row.get("activeStatus") == 1}
    courses = sorted(portal.courses(), key=lambda row: (str(row["name"]), row["id"]))[:_COURSES]
    enrollments: list[Row] = []
    for course in courses[:2]:
        _, texts = portal.page(
            "enrollments", where="course_id = ? AND is_active = 1 AND status IN (0, 1, 3)",
            parameters=(str(course["id"]).lower(),), order="key", limit=_ENROLLMENTS, skip=0,
        )  # fmt: skip
        found = [row for row in map(json.loads, texts) if row.get("dateDue") is None]
        enrollments += [row for row in found if row["status"] == 3 or row["userId"] not in left]
    return courses, enrollments


@dataclass(frozen=True)
class Times:
    """When somebody was assigned an item, started and completed it, and how far they are if they did not."""

    assigned: datetime
    started: datetime | None = None
    completed: datetime | None = None
    percent: float = 40.0


class Learning:
    """Loads LearningItem, LearningItemProgress and LearningItemAssignment records. The caller holds the org's lock."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._number = 0
        self._now = org.now()

    def unrelated(self, owners: list[str]) -> None:
        """Items that no course of the portal is named like, with progress in every status."""
        names = ("Sales onboarding", "Security basics", "Product tour")
        items = [self._item(name) for name in names]
        statuses = list(self._org.schema("LearningItemProgress").fields["progressstatus"].picklist)
        for at, owner in enumerate(owners):
            times = Times(self._now - timedelta(days=at), completed=self._now)
            self._progress(owner, items[at % len(items)], statuses[at % len(statuses)], times)

    def related(self, courses: list[Row], enrollments: list[Row], owners: Mapping[str, str]) -> None:
        """Items named like courses: the first two once, the third twice, the others not at all."""
        items = {course["id"]: self._item(_vary(at, str(course["name"]))) for at, course in enumerate(courses[:2])}
        for course in courses[2:3]:
            self._item(str(course["name"]))
            self._item(str(course["name"]).upper())
        for row in enrollments:
            owner, item = owners.get(row["userId"]), items.get(row["courseId"])
            if owner and item:
                self.follow(owner, item, row)
        self.assign(list(owners.values()), list(items.values()))

    def follow(self, owner: str, item: str, row: Row) -> None:
        """Progress of a learner who has `row` in the portal, as the org counts it."""
        dice = _dice(row["userId"], row["courseId"])
        status = _STATUSES[dice % len(_STATUSES)]
        assigned = self._now - timedelta(seconds=2 * _DAY + dice // 11 % (400 * _DAY))
        spent = (self._now - assigned) * (dice % 97 / 100)
        self._progress(
            owner, item, status, Times(assigned, assigned + spent / 2, assigned + spent, float(dice % 95 + 3))
        )

    def assign(self, owners: list[str], items: list[str]) -> None:
        """A few assignments of related items, some with a start or a due date. The org enrolled some already."""
        for at, owner in enumerate(owners[:: max(1, len(owners) // _ASSIGNMENTS)][:_ASSIGNMENTS] if items else ()):
            due = org_text(self._now + timedelta(days=30 + at)) if at % 3 else None
            start = org_text(self._now - timedelta(days=at)) if at % 2 else None
            values = {
                "OwnerId": self._org.user_id, "AssigneeId": owner, "LearningItemId": items[at % len(items)],
                "EnrollmentType": "Assigned", "AssignmentStatus": ("InProgress", "Succeeded", "Failed")[at % 5 % 3],
                "StartDate": start, "DueDate": due, "IsOverdue": False,
            }  # fmt: skip
            self._org.load("LearningItemAssignment", values)

    def _item(self, name: str) -> str:
        return str(self._org.load("LearningItem", {"Name": name[:255], "Type": "LearningContent"})["Id"])

    def _progress(self, owner: str, item: str, status: str, times: Times) -> None:
        self._number += 1
        done, begun = status.startswith("Completed"), status != "NotStarted"
        started = times.started or times.assigned
        finished = times.completed if done else None
        self._org.load(
            "LearningItemProgress",
            {
                "Name": f"LIP-{self._number:06d}",
                "OwnerId": owner,
                "LearningItemId": item,
                "ProgressStatus": status,
                "CompletedPercent": 100.0 if done else times.percent if begun else 0.0,
                "CompletedDate": org_text(finished) if finished else None,
                "CompletedOnDay": _days(started, finished) if finished else None,
                "DaysInProgress": _days(times.assigned, finished or self._now),
                "StartDate": org_text(started) if begun else None,
            },
        )


class Agreeing(Learning):
    """An org whose native progress is what the portal says, and where nobody is assigned anything."""

    def __init__(self, org: Org, inactive: set[str]) -> None:
        super().__init__(org)
        self._inactive = inactive

    def follow(self, owner: str, item: str, row: Row) -> None:
        """Progress that agrees with the enrollment `row` (docs/status-map.md)."""
        if row["userId"] in self._inactive:
            return
        added, started, done = (moment_of(row.get(name)) for name in ("dateAdded", "dateStarted", "dateCompleted"))
        times = Times(added or self._now, started, done, float(row["progress"] or 0))
        self._progress(owner, item, _PLAIN[row["status"]], times)

    def assign(self, owners: list[str], items: list[str]) -> None:
        """Nobody."""


def _days(since: datetime, until: datetime) -> int:
    return max(0, int((until - since).total_seconds() // _DAY))


def _dice(*parts: str) -> int:
    """A large number that is a pure function of the parts."""
    return int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:8], "big")


def _vary(at: int, name: str) -> str:
    """Every second name in upper case: the same item is often spelled differently in two systems."""
    return name.upper() if at % 2 and name.isascii() else name
