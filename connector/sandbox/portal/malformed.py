"""Malformed enrollment rows: broken ids and dates, missing fields, wrong types."""

from typing import Any

from connector.sandbox.portal.state import Portal

# field -> what it is served as; DROP leaves the field out of the row.
DROP = object()
DAMAGE: tuple[tuple[str, object], ...] = (
    ("userId", "not-a-guid"),
    ("dateEdited", "2026-13-45T99:00:00"),
    ("dateCompleted", "yesterday"),
    ("status", DROP),
    ("dateAdded", DROP),
    ("progress", "a lot"),
    ("isActive", None),
    ("status", 42),
    ("userId", DROP),
)


def spoil(portal: Portal) -> list[str]:
    """Damage one enrollment per line of the table, in place and repeatably; returns their ids."""
    total = portal.count("enrollments")
    spoiled = []
    for number, (name, value) in enumerate(DAMAGE[:total]):
        place = number * total // len(DAMAGE)
        key = portal.select("SELECT key FROM enrollments ORDER BY seq LIMIT 1 OFFSET ?", (place,))[0][0]
        row: dict[str, Any] = portal.get("enrollments", key) or {}
        row.pop(name, None)
        portal.put_row("enrollments", row if value is DROP else row | {name: value})
        spoiled.append(str(key))
    return spoiled
