"""Writing operations of the Absorb API: creating, updating and removing enrollments."""

import uuid
from collections.abc import Mapping
from typing import Any

from connector.sandbox.kit.instants import canonical, naive_text
from connector.sandbox.portal.errors import not_found, unprocessable
from connector.sandbox.portal.state import Portal

# Settable properties as the vendor's page lists them for "Create or update course enrollment".
SETTABLE = (
    "status", "dateCompleted", "dateExpires", "courseVersionId", "acceptedTermsAndConditions", "enrollmentKeyId",
    "credits", "score",
)  # fmt: skip
# In the schema of the body and not in that list: a portal may keep them or not.
DATES = ("accessDate", "dateDue")


def flag(query: Mapping[str, str], name: str) -> bool:
    """Read a boolean query parameter."""
    text = query.get(name, "false").lower()
    if text not in {"true", "false"}:
        raise unprocessable(f"{name} must be true or false.")
    return text == "true"


def guid(value: object, name: str) -> str:
    """A required guid of a body."""
    try:
        return str(uuid.UUID(str(value)))
    except ValueError as error:
        raise unprocessable(f"The {name} field must be a guid.") from error


def settable(fields: Mapping[str, Any], *, dates: bool = False) -> dict[str, Any]:
    """The settable properties that a body carries; all others are ignored in silence, as on the portal."""
    names = (*SETTABLE, *(DATES if dates else ()))
    changes = {name: fields[name.casefold()] for name in names if fields.get(name.casefold()) is not None}
    status = changes.get("status", 0)
    if isinstance(status, bool) or not isinstance(status, int) or not 0 <= status <= 12:
        raise unprocessable("status must be a whole number from 0 to 12.")
    for name in ("dateCompleted", "dateExpires", *DATES):
        if name in changes and canonical(changes[name]) is None:
            raise unprocessable(f"{name} is not a valid date.")
    for name in ("score", "credits"):
        if not isinstance(changes.get(name, 0), int | float):
            raise unprocessable(f"{name} must be a number.")
    return changes


def enroll(
    portal: Portal, user_id: str, course_id: str, changes: dict[str, Any], *, again: bool
) -> tuple[dict[str, str], int]:
    """Create, re-enroll or update; returns the body and the HTTP status."""
    if not portal.has("users", user_id) or not portal.has("courses", course_id):
        raise not_found()
    if changes.get("status") == 3:
        changes.setdefault("dateCompleted", naive_text(portal.stamp()))
        changes["progress"] = 100.0
    current = portal.enrollments_of(user_id, course_id, where="is_active = 1")
    if current and not again:
        row_id = str(current[0]["id"])
        if changes:
            portal.edit([row_id], changes=changes)
        status = 200
    else:
        row_id = portal.enroll(user_id, course_id, changes)
        status = 201
    return {"enrollmentId": row_id, "courseId": course_id, "userId": user_id}, status


def unenroll(portal: Portal, ids: object) -> dict[str, Any]:
    """Remove enrollments by id; an id that is not there makes the whole call fail, and nothing vanishes."""
    if not isinstance(ids, list) or not ids:
        raise unprocessable("The request body must be an array of enrollment ids.")
    wanted = [guid(value, "enrollment id") for value in ids]
    missing = [row_id for row_id in wanted if not portal.has("enrollments", row_id)]
    if missing:
        raise not_found(*(f"Enrollment {row_id} was not found." for row_id in missing))
    portal.delete(wanted)
    return {"validations": [], "code": 200, "message": "Success", "term": "Success", "_meta": {}}
