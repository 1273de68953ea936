"""Filling the org: people whom the portal knows, and native learning items and progress of an Enablement add-on.

Salesforce Users and Contacts stand for the portal's learners in the proportions a real org shows. Which learner is
known to the org how depends on a hash of the learner's id alone, so that the same data set always gives the same org.

Some learning items have nothing to do with the portal. Others bear the name of one of its courses, and progress on
those agrees with the portal's enrollment, in the words of LearningItemProgress (docs/facts/salesforce.md section 0).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping

from connector.sandbox.kit.instants import offset_instant, org_text
from connector.sandbox.org.org import Org
from connector.sandbox.org.rows.table import Row
from connector.sandbox.portal.state import Portal

# How much of the portal is looked at: native programs are few beside an LMS catalogue.
_COURSES, _ENROLLMENTS = 4, 120
# Absorb status → ProgressStatus where no date decides it (docs/status-map.md).
_PLAIN = {0: "NotStarted", 1: "InProgress", 3: "Completed"}
# Upper bounds of the shares of profile "mixed".
_SHARES = (
    (0.55, "federation"),
    (0.75, "email"),
    (0.90, "contact"),
    (0.93, "ambiguous"),
    (0.96, "inactive"),
    (1.01, "unknown"),
)


def sample(portal: Portal) -> tuple[list[Row], list[Row]]:
    """The first courses by name, and some of their current enrollments, without due dates.

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


class People:
    """Collects the User and Contact rows for learners, one learner at a time."""

    def __init__(self, profile: str, seed: str = "learnsync") -> None:
        if profile not in {"all", "mixed"}:
            raise ValueError(f"unknown profile {profile!r}: expected 'all' or 'mixed'")
        self.users: list[Row] = []
        self.contacts: list[Row] = []
        # The learner behind each of `users`.
        self.user_keys: list[str] = []
        self._profile = profile
        self._seed = seed
        self._federation_ids: set[str] = set()

    def add_all(self, learners: Iterable[Row]) -> None:
        """Adds every learner."""
        for learner in learners:
            self.add(learner)

    def add(self, learner: Row) -> None:
        """Adds what the org knows of one learner, which may be nothing."""
        kind = self.kind(str(learner.get("id")))
        if kind == "contact" and learner.get("emailAddress"):
            self.contacts.append(_person(learner) | {"Email": self._vary(learner, "emailAddress")})
        elif kind == "ambiguous" and learner.get("emailAddress"):
            self._user(learner, "a")
            self._user(learner, "b")
        elif kind in {"federation", "inactive"}:
            self._user(learner, federated=True, active=kind == "federation")
        elif kind == "email":
            self._user(learner)

    def kind(self, learner_id: str) -> str:
        """How the org knows the learner with this id."""
        if self._profile == "all":
            return "federation"
        share = self._hash(learner_id) / 2**32
        return next(kind for bound, kind in _SHARES if share < bound)

    def _user(self, learner: Row, suffix: str = "", *, federated: bool = False, active: bool = True) -> None:
        federation_id = self._vary(learner, "externalId") if federated else None
        # The org keeps FederationIdentifier unique; the second learner with the same one is not another user.
        if federation_id and federation_id.lower() in self._federation_ids:
            return
        if not federation_id and not learner.get("emailAddress"):
            return
        if federation_id:
            self._federation_ids.add(federation_id.lower())
        name = f"{learner.get('username') or 'learner'}.{str(learner.get('id'))[:8]}{suffix}".lower()
        self.user_keys.append(str(learner.get("id")))
        self.users.append(
            _person(learner)
            | {
                "Username": "".join(c for c in name if c.isalnum() or c in ".-_")[-60:] + "@org.example",
                "Email": self._vary(learner, "emailAddress") or "nobody@org.example",
                "FederationIdentifier": federation_id,
                "IsActive": active,
            }
        )

    def _vary(self, learner: Row, key: str) -> str | None:
        """The value in another letter case: the same value is often spelled differently in two systems."""
        value = str(learner.get(key) or "").strip()
        # Beyond ASCII a change of case cannot always be undone ("ß" becomes "SS").
        if not value or self._profile == "all" or not value.isascii():
            return value or None
        forms = (value, value.lower(), value.upper(), value.title())
        return forms[self._hash(f"{learner.get('id')}/{key}") % 4]

    def _hash(self, text: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self._seed}:{text}".encode()).digest()[:4], "big")


def _person(learner: Row) -> Row:
    first = str(learner.get("firstName") or "").strip()[:40]
    last = str(learner.get("lastName") or "").strip()[:80] or "Unknown"
    return {"FirstName": first or None, "LastName": last, "Name": f"{first} {last}".strip()}
