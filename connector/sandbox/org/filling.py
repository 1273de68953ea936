"""Filling the org: people whom the portal knows, and native learning items and progress of an Enablement add-on.

Salesforce Users and Contacts stand for the portal's learners in the proportions a real org shows. Which learner is
known to the org how depends on a hash of the learner's id alone, so that the same data set always gives the same org.
Learning items, progress and assignments: `native`.
"""

import hashlib
from collections.abc import Iterable

from connector.sandbox.org.native import Agreeing, Learning
from connector.sandbox.org.org import Org
from connector.sandbox.org.rows.table import Row

# Upper bounds of the shares of profile "mixed".
_SHARES = (
    (0.55, "federation"),
    (0.75, "email"),
    (0.90, "contact"),
    (0.93, "ambiguous"),
    (0.96, "inactive"),
    (1.01, "unknown"),
)


def populate(
    org: Org,
    users: Iterable[Row],
    profile: str = "mixed",
    courses: Iterable[Row] = (),
    enrollments: Iterable[Row] = (),
    *,
    agreeing: bool = False,
) -> None:
    """Makes Salesforce Users and Contacts out of Absorb users, and native learning items, progress and assignments.

    Learning items are named like `courses`; those who learn them natively are the learners of `enrollments`. What the
    org says of them is its own, unless it is `agreeing`.
    """
    people = People(profile)
    people.add_all(users)
    with org.lock:
        made = [org.load("User", row) for row in people.users]
        for row in people.contacts:
            org.load("Contact", row)
        active = {key: row["Id"] for key, row in zip(people.user_keys, made, strict=True) if row["IsActive"]}
        learning = Agreeing(org, people.inactive) if agreeing else Learning(org)
        learning.unrelated(list(active.values())[:25])
        learning.related(list(courses), list(enrollments), active)


class People:
    """Collects the User and Contact rows for learners, one learner at a time."""

    def __init__(self, profile: str, seed: str = "learnsync") -> None:
        if profile not in {"all", "mixed"}:
            raise ValueError(f"unknown profile {profile!r}: expected 'all' or 'mixed'")
        self.users: list[Row] = []
        self.contacts: list[Row] = []
        # The learner behind each of `users`.
        self.user_keys: list[str] = []
        # Learners who are inactive in the portal.
        self.inactive: set[str] = set()
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
        if learner.get("activeStatus"):
            self.inactive.add(str(learner.get("id")))
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
