"""Filling the org: people whom the portal knows, and native learning items and progress of an Enablement add-on.

Some items have nothing to do with the portal. Others bear the name of one of its courses, and progress on those says
what the portal's enrollment says, in the words of LearningItemProgress (docs/facts/salesforce.md section 0).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from connector.sandbox.kit.instants import offset_instant, org_text
from connector.sandbox.org.filling.people import People
from connector.sandbox.org.org import Org
from connector.sandbox.org.rows.table import Row
from connector.sandbox.portal.state import Portal

# How much of the portal is looked at: native programs are few beside an LMS catalogue.
_COURSES, _ENROLLMENTS = 4, 120
# Absorb status → ProgressStatus where no date decides it (docs/status-map.md).
_PLAIN = {0: "NotStarted", 1: "InProgress", 3: "Completed"}


def sample(portal: Portal) -> tuple[list[Row], list[Row]]:
    """The first courses by name, and some of their current enrollments, none with a due date."""
    courses = sorted(portal.courses(), key=lambda row: (str(row["name"]), row["id"]))[:_COURSES]
    enrollments: list[Row] = []
    for course in courses[:2]:
        _, texts = portal.page(
            "enrollments", where="course_id = ? AND is_active = 1 AND status IN (0, 1, 3)",
            parameters=(str(course["id"]).lower(),), order="key", limit=_ENROLLMENTS, skip=0,
        )  # fmt: skip
        enrollments += [row for row in map(json.loads, texts) if row.get("dateDue") is None]
    return courses, enrollments


def populate(
    org: Org, users: Iterable[Row], profile: str = "mixed", courses: Iterable[Row] = (), enrollments: Iterable[Row] = ()
) -> None:
    """Makes Salesforce Users and Contacts out of Absorb users, and some native learning progress.

    Learning items are named like `courses`; progress on them follows the `enrollments` given.
    """
    people = People(profile)
    people.add_all(users)
    with org.lock:
        made = [org.load("User", row) for row in people.users]
        for row in people.contacts:
            org.load("Contact", row)
        active = {key: row["Id"] for key, row in zip(people.user_keys, made, strict=True) if row["IsActive"]}
        learning = Learning(org)
        learning.unrelated(list(active.values())[:25])
        learning.related(list(courses), enrollments, active)


class Learning:
    """Loads LearningItem and LearningItemProgress records. The caller holds the org's lock."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._number = 0

    def unrelated(self, owners: list[str]) -> None:
        """Items that no course of the portal is named like, with progress in every status."""
        names = ("Sales onboarding", "Security basics", "Product tour")
        items = [self._item(name) for name in names]
        statuses = list(self._org.schema("LearningItemProgress").fields["progressstatus"].picklist)
        for at, owner in enumerate(owners):
            self._progress(owner, items[at % len(items)], statuses[at % len(statuses)], days=at)

    def related(self, courses: list[Row], enrollments: Iterable[Row], owners: Mapping[str, str]) -> None:
        """Items named like courses: the first two once, the third twice, the others not at all."""
        items = {course["id"]: self._item(_vary(at, str(course["name"]))) for at, course in enumerate(courses[:2])}
        for course in courses[2:3]:
            self._item(str(course["name"]))
            self._item(str(course["name"]).upper())
        for row in enrollments:
            owner, item = owners.get(row["userId"]), items.get(row["courseId"])
            if owner and item:
                self._progress(owner, item, _PLAIN[row["status"]], row=row)

    def _item(self, name: str) -> str:
        return str(self._org.load("LearningItem", {"Name": name[:255], "Type": "LearningContent"})["Id"])

    def _progress(self, owner: str, item: str, status: str, *, days: int = 0, row: Row | None = None) -> None:
        self._number += 1
        done, begun = status.startswith("Completed"), status != "NotStarted"
        self._org.load(
            "LearningItemProgress",
            {
                "Name": f"LIP-{self._number:06d}",
                "OwnerId": owner,
                "LearningItemId": item,
                "ProgressStatus": status,
                "CompletedPercent": 100.0 if done else 40.0 if begun else 0.0,
                "CompletedDate": (_instant(row, "dateCompleted") or self._org.stamp()) if done else None,
                "CompletedOnDay": days if done else None,
                "DaysInProgress": days,
                "StartDate": (_instant(row, "dateStarted") or self._org.stamp()) if begun else None,
            },
        )


def _vary(at: int, name: str) -> str:
    """Every second name in upper case: the same item is often spelled differently in two systems."""
    return name.upper() if at % 2 and name.isascii() else name


def _instant(row: Row | None, field: str) -> str | None:
    """A date of the portal (no offset means UTC) as the org keeps it."""
    value = str((row or {}).get(field) or "")
    moment = offset_instant(f"{value[:19]}Z") if value else None
    return org_text(moment) if moment else None
