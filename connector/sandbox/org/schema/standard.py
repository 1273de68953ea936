"""Standard objects of the sandbox org, written by hand from docs/facts/salesforce.md and the object reference.

They are read-only here because the permission sets that ship give the integration user read access alone.
LearningItem and LearningItemProgress list no create, update or delete in any API version (section 0 there).
LearningItemAssignment can be created and deleted, but not changed: whoever assigns inserts a record (section 1a).
"""

from __future__ import annotations

from typing import Any

from connector.sandbox.org.schema.model import (
    FieldSchema,
    ObjectSchema,
    choice,
    object_schema,
    owner_field,
    read_only,
    reference,
)

PROGRESS_STATUSES = (
    "Behind",
    "Completed",
    "CompletedLate",
    "CompletedOnTime",
    "InProgress",
    "NoLongerTracking",
    "NotStarted",
    "OnTrack",
    "Overdue",
)
NO_WRITES = {"createable": False, "updateable": False, "deletable": False}


def standard_objects() -> list[ObjectSchema]:
    """User, Contact, and the learning objects of an Enablement add-on."""
    return [_user(), _contact(), _learning_item(), _learning_item_progress(), _learning_item_assignment()]


def _text(name: str, label: str, length: int, **properties: Any) -> FieldSchema:
    return read_only(name, "string", label, length=length, **properties)


def _name(label: str, length: int) -> FieldSchema:
    return _text("Name", label, length, nillable=False, name_field=True)


def _person() -> list[FieldSchema]:
    return [
        _text("LastName", "Last Name", 80, nillable=False),
        _text("FirstName", "First Name", 40),
        _name("Full Name", 121),
        read_only("Email", "email", "Email", length=128, id_lookup=True),
    ]


def _user() -> ObjectSchema:
    fields = [
        _text("Username", "Username", 80, nillable=False, id_lookup=True, unique=True),
        *_person(),
        _text("FederationIdentifier", "SAML Federation ID", 512, id_lookup=True, unique=True),
        read_only("IsActive", "boolean", "Active", nillable=False, default=True),
        read_only("UserType", "picklist", "User Type", length=40, picklist={"Standard": True}),
    ]
    out = object_schema("User", "User", "Users", "005", fields, **NO_WRITES)
    del out.fields["isdeleted"]  # users are deactivated, never deleted
    return out


def _contact() -> ObjectSchema:
    fields = [owner_field(), read_only("AccountId", "id", "Account ID", length=18), *_person()]
    return object_schema("Contact", "Contact", "Contacts", "003", fields, **NO_WRITES)


def _learning_item() -> ObjectSchema:
    fields = [
        _name("Name", 255),
        read_only("Type", "picklist", "Type", length=255, picklist={"LearningContent": True}),
    ]
    return object_schema("LearningItem", "Learning Item", "Learning Items", "0zs", fields, since=58.0, **NO_WRITES)


def _learning_item_progress() -> ObjectSchema:
    label = "Learning Item Progress"
    item, owner = reference("LearningItem"), reference("User")
    fields = [
        _name("Name", 80),
        read_only("CompletedDate", "datetime", "Completed Date"),
        read_only("CompletedOnDay", "int", "Completed On Day", precision=9),
        read_only("CompletedPercent", "percent", "Completed Percent", precision=5, scale=2, nillable=False),
        read_only("DaysInProgress", "int", "Days In Progress", precision=9),
        read_only("LearningItemId", "reference", "Learning Item ID", relationship_name="LearningItem", **item),
        read_only("OwnerId", "reference", "Owner ID", relationship_name="Owner", **owner),
        read_only("ProgressStatus", "picklist", "Progress Status", **choice(*PROGRESS_STATUSES)),
        read_only("StartDate", "datetime", "Start Date"),
    ]
    return object_schema("LearningItemProgress", label, label, "0zt", fields, since=60.0, **NO_WRITES)


def _set_once(name: str, type_: str, label: str, **properties: Any) -> FieldSchema:
    return FieldSchema(name, type_, label, updateable=False, **properties)


def _learning_item_assignment() -> ObjectSchema:
    assignee, item = reference("User"), reference("LearningItem")
    progress = reference("LearningItemProgress") | {"nillable": True}
    fields = [
        owner_field(),
        _set_once("AssigneeId", "reference", "Assignee ID", relationship_name="Assignee", **assignee),
        _set_once("LearningItemId", "reference", "Learning Item ID", relationship_name="LearningItem", **item),
        _set_once("EnrollmentType", "picklist", "Enrollment Type", **choice("Assigned", "SelfEnrolled")),
        _set_once("StartDate", "datetime", "Start Date"),
        # What a new record says is not documented; the org enrolls after the insert, so it begins as under way.
        read_only(
            "AssignmentStatus", "picklist", "Assignment Status",
            default="InProgress", **choice("Failed", "InProgress", "Succeeded"),
        ),
        read_only("DueDate", "datetime", "Due Date"),
        read_only("IsOverdue", "boolean", "Overdue", nillable=False, default=False),
        read_only("ProgressId", "reference", "Progress ID", relationship_name="Progress", **progress),
    ]  # fmt: skip
    label, plural = "Learning Item Assignment", "Learning Item Assignments"
    return object_schema("LearningItemAssignment", label, plural, "0zu", fields, since=58.0, updateable=False)
