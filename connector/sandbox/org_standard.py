"""Standard objects of the sandbox org, written by hand from docs/facts/salesforce.md and the object reference.

They are read-only here because the permission sets that ship give the integration user read access alone.
LearningItem and LearningItemProgress list no create, update or delete in any API version (section 0 there).
LearningItemAssignment can be created and deleted, but not changed: whoever assigns inserts a record (section 1a).
"""

from __future__ import annotations

from .org_schema import FieldSchema, ObjectSchema, object_schema, owner_field, read_only

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
_NO_WRITES = {"createable": False, "updateable": False, "deletable": False}


def standard_objects() -> list[ObjectSchema]:
    """User, Contact, and the learning objects of an Enablement add-on."""
    return [_user(), _contact(), _learning_item(), _learning_item_progress(), _learning_item_assignment()]


def _text(name: str, label: str, length: int, **properties: bool) -> FieldSchema:
    return read_only(name, "string", label, length=length, **properties)


def _email(name: str = "Email", label: str = "Email") -> FieldSchema:
    return read_only(name, "email", label, length=128, id_lookup=True)


def _user() -> ObjectSchema:
    fields = [
        _text("Username", "Username", 80, nillable=False, id_lookup=True, unique=True),
        _text("LastName", "Last Name", 80, nillable=False),
        _text("FirstName", "First Name", 40),
        _text("Name", "Full Name", 121, nillable=False, name_field=True),
        _email(),
        _text("FederationIdentifier", "SAML Federation ID", 512, id_lookup=True, unique=True),
        read_only("IsActive", "boolean", "Active", nillable=False, default=True),
        read_only("UserType", "picklist", "User Type", length=40, picklist={"Standard": True}),
    ]
    out = object_schema("User", "User", "Users", "005", fields, **_NO_WRITES)
    del out.fields["isdeleted"]  # users are deactivated, never deleted
    return out


def _contact() -> ObjectSchema:
    fields = [
        owner_field(),
        read_only("AccountId", "id", "Account ID", length=18),
        _text("LastName", "Last Name", 80, nillable=False),
        _text("FirstName", "First Name", 40),
        _text("Name", "Full Name", 121, nillable=False, name_field=True),
        _email(),
    ]
    return object_schema("Contact", "Contact", "Contacts", "003", fields, **_NO_WRITES)


def _learning_item() -> ObjectSchema:
    fields = [
        _text("Name", "Name", 255, nillable=False, name_field=True),
        read_only("Type", "picklist", "Type", length=255, picklist={"LearningContent": True}),
    ]
    return object_schema("LearningItem", "Learning Item", "Learning Items", "0zs", fields, since=58.0, **_NO_WRITES)


def _reference(name: str, label: str, to: str) -> FieldSchema:
    return read_only(
        name,
        "reference",
        label,
        length=18,
        nillable=False,
        reference_to=to,
        relationship_name=name.removesuffix("Id"),
    )


def _learning_item_progress() -> ObjectSchema:
    fields = [
        _text("Name", "Name", 80, nillable=False, name_field=True),
        read_only("CompletedDate", "datetime", "Completed Date"),
        read_only("CompletedOnDay", "int", "Completed On Day", precision=9),
        read_only("CompletedPercent", "percent", "Completed Percent", precision=5, scale=2, nillable=False),
        read_only("DaysInProgress", "int", "Days In Progress", precision=9),
        _reference("LearningItemId", "Learning Item ID", "LearningItem"),
        _reference("OwnerId", "Owner ID", "User"),
        read_only(
            "ProgressStatus",
            "picklist",
            "Progress Status",
            length=255,
            restricted_picklist=True,
            picklist=dict.fromkeys(PROGRESS_STATUSES, True),
        ),
        read_only("StartDate", "datetime", "Start Date"),
    ]
    return object_schema(
        "LearningItemProgress",
        "Learning Item Progress",
        "Learning Item Progress",
        "0zt",
        fields,
        since=60.0,
        **_NO_WRITES,
    )


def _assigned(name: str, label: str, to: str) -> FieldSchema:
    return FieldSchema(
        name,
        "reference",
        label,
        length=18,
        nillable=False,
        updateable=False,
        reference_to=to,
        relationship_name=name.removesuffix("Id"),
    )


def _learning_item_assignment() -> ObjectSchema:
    fields = [
        owner_field(),
        _assigned("AssigneeId", "Assignee ID", "User"),
        _assigned("LearningItemId", "Learning Item ID", "LearningItem"),
        FieldSchema(
            "EnrollmentType",
            "picklist",
            "Enrollment Type",
            length=255,
            updateable=False,
            restricted_picklist=True,
            picklist={"Assigned": True, "SelfEnrolled": True},
        ),
        FieldSchema("StartDate", "datetime", "Start Date", updateable=False),
        # What a new record says is not documented; the org enrolls after the insert, so it begins as under way.
        read_only(
            "AssignmentStatus",
            "picklist",
            "Assignment Status",
            length=255,
            restricted_picklist=True,
            picklist=dict.fromkeys(("Failed", "InProgress", "Succeeded"), True),
            default="InProgress",
        ),
        read_only("DueDate", "datetime", "Due Date"),
        read_only("IsOverdue", "boolean", "Overdue", nillable=False, default=False),
        read_only(
            "ProgressId",
            "reference",
            "Progress ID",
            length=18,
            reference_to="LearningItemProgress",
            relationship_name="Progress",
        ),
    ]
    return object_schema(
        "LearningItemAssignment",
        "Learning Item Assignment",
        "Learning Item Assignments",
        "0zu",
        fields,
        since=58.0,
        updateable=False,
    )
