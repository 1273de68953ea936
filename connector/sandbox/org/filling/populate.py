"""Salesforce Users, Contacts and native learning progress out of what the portal holds."""

from __future__ import annotations

from collections.abc import Iterable

from connector.sandbox.org.filling.learning import Learning
from connector.sandbox.org.filling.people import People
from connector.sandbox.org.org import Org
from connector.sandbox.org.rows.table import Row


def populate(
    org: Org,
    users: Iterable[Row],
    profile: str = "mixed",
    courses: Iterable[Row] = (),
    enrollments: Iterable[Row] = (),
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
