"""Every rule of the preflight, over HTTP: each row breaks one thing in the org's describe and gets one message."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connector.errors import PreflightError
from connector.salesforce import preflight
from connector.salesforce.client import SalesforceClient
from connector.salesforce.targets import ALL_TARGETS
from connector.sandbox.org import Org
from connector.sandbox.org.schema.model import FieldSchema
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import SecretLogin
from mappings import load_mapping

COURSE, ENROLLMENT, NATIVE = "LMS_Course__c", "LMS_Enrollment__c", "LearningItemProgress"
MAPS = load_mapping()
UNSEEN = "does not exist, or the run-as user cannot see it: deploy it and grant the user read access"
GRANT = "for the run-as user: grant edit access to it in a permission set"

Break = Callable[[Org], None]


def field(name: str, **values: Any) -> Break:
    """Alters properties of `Object.Field`."""

    def act(org: Org) -> None:
        object_name, _, field_name = name.partition(".")
        for key, value in values.items():
            setattr(org.schema(object_name).fields[field_name.lower()], key, value)

    return act


def gone(name: str) -> Break:
    """Takes an object or a field away."""
    object_name, dot, field_name = name.partition(".")
    return lambda org: org.remove_field(object_name, field_name) if dot else org.remove_object(object_name)


def right(name: str, word: str) -> Break:
    return lambda org: setattr(org.schema(name), word, False)


def inactive(name: str, *values: str) -> Break:
    """Deactivates picklist values."""
    object_name, _, field_name = name.partition(".")

    def act(org: Org) -> None:
        for value in values:
            org.deactivate_picklist_value(object_name, field_name, value)

    return act


def added(name: str, **values: Any) -> Break:
    """Adds a field of the administrator's own."""
    object_name, _, field_name = name.partition(".")

    def act(org: Org) -> None:
        made = FieldSchema(field_name, "string", field_name, length=20).set(**values)
        org.schema(object_name).fields[field_name.lower()] = made

    return act


# target, what is broken, the one problem that must be named
ROWS: list[tuple[str, Break, str]] = [
    # object
    ("lms_course", gone(COURSE), f"object {COURSE} {UNSEEN}"),
    ("lms_enrollment", gone(ENROLLMENT), f"object {ENROLLMENT} {UNSEEN}"),
    *(
        (
            "lms_enrollment", right(ENROLLMENT, word),
            f"object {ENROLLMENT} is not {word} for the run-as user: grant it in a permission set",
        )
        for word in ("createable", "updateable")
    ),
    # field
    ("lms_course", gone(f"{COURSE}.Absorb_Course_Id__c"), f"field {COURSE}.Absorb_Course_Id__c {UNSEEN}"),
    ("lms_enrollment", gone(f"{ENROLLMENT}.Score__c"), f"field {ENROLLMENT}.Score__c {UNSEEN}"),
    (
        "lms_enrollment", gone(f"{ENROLLMENT}.LMS_Course__c"),
        f"field {ENROLLMENT}.LMS_Course__r.Absorb_Course_Id__c {UNSEEN}",
    ),
    (
        "lms_course", added(f"{COURSE}.Owner_Team__c", nillable=False),
        (f"field {COURSE}.Owner_Team__c is required by the org and salesforce_fields.csv does not fill it:"
        " map it, or make it optional"),
    ),
    # type
    (
        "lms_enrollment", field(f"{ENROLLMENT}.Score__c", type="string", length=40),
        (f"field {ENROLLMENT}.Score__c is of type string, which cannot hold a number:"
        " make it a Number or Percent field"),
    ),
    (
        "lms_enrollment", field(f"{ENROLLMENT}.Due_Date__c", type="date"),
        f"field {ENROLLMENT}.Due_Date__c is of type date, which cannot hold a datetime: make it a Date/Time field",
    ),
    (
        "lms_enrollment", field(f"{ENROLLMENT}.Is_Current__c", type="picklist", picklist={"Yes": True}),
        f"field {ENROLLMENT}.Is_Current__c is of type picklist, which cannot hold a checkbox: make it a Checkbox field",
    ),
    (
        "lms_enrollment", field(f"{ENROLLMENT}.Certificate_Id__c", type="double"),
        f"field {ENROLLMENT}.Certificate_Id__c is of type double, which cannot hold a text: make it a Text field",
    ),
    (
        "lms_enrollment", field(f"{ENROLLMENT}.Learner_User__c", type="string", length=18),
        f"field {ENROLLMENT}.Learner_User__c is of type string, which cannot hold a reference: make it a Lookup field",
    ),
    (
        "lms_enrollment", field(f"{ENROLLMENT}.Learner_User__c", reference_to="Contact"),
        f"field {ENROLLMENT}.Learner_User__c does not refer to User: make it a Lookup(User)",
    ),
    # length, and digits before the point
    (
        "lms_enrollment", field(f"{ENROLLMENT}.Learning_Record_Id__c", length=29),
        f"field {ENROLLMENT}.Learning_Record_Id__c holds 29 characters, 30 are needed: lengthen it",
    ),
    (
        "lms_course", field(f"{COURSE}.Absorb_Course_Id__c", length=32),
        f"field {COURSE}.Absorb_Course_Id__c holds 32 characters, 36 are needed: lengthen it",
    ),
    (
        "lms_course", field(f"{COURSE}.Vendor__c", length=100),
        f"field {COURSE}.Vendor__c holds 100 characters, 255 are needed: lengthen it",
    ),
    (
        "lms_enrollment", field(f"{ENROLLMENT}.Absorb_Status__c", type="string", length=24, picklist={}),
        f"field {ENROLLMENT}.Absorb_Status__c holds 24 characters, 25 are needed: lengthen it",
    ),
    (
        "lms_enrollment", field(f"{ENROLLMENT}.Completed_Percent__c", precision=4, scale=2),
        f"field {ENROLLMENT}.Completed_Percent__c holds 2 digits before the point, 3 are needed: widen it",
    ),
    # createable, updateable
    *(
        (
            "lms_enrollment", field(f"{ENROLLMENT}.Credits__c", **{word: False}),
            f"field {ENROLLMENT}.Credits__c is not {word} {GRANT}",
        )
        for word in ("createable", "updateable")
    ),
    (
        "lms_enrollment", field(f"{ENROLLMENT}.Absorb_Enrollment_Id__c", createable=False),
        f"field {ENROLLMENT}.Absorb_Enrollment_Id__c is not createable {GRANT}",
    ),
    # external id
    (
        "lms_enrollment", field(f"{ENROLLMENT}.Absorb_Enrollment_Id__c", external_id=False, id_lookup=False),
        f"field {ENROLLMENT}.Absorb_Enrollment_Id__c is not marked as External ID: mark it",
    ),
    (
        "lms_enrollment", field(f"{COURSE}.Absorb_Course_Id__c", external_id=False, id_lookup=False),
        (f"field {COURSE}.Absorb_Course_Id__c, which {ENROLLMENT}.LMS_Course__r.Absorb_Course_Id__c refers to,"
        " does not exist or is not marked as External ID: deploy it, or mark it"),
    ),
    (
        "lms_enrollment", gone(COURSE),
        f"object {COURSE}, the parent of {ENROLLMENT}.LMS_Course__r.Absorb_Course_Id__c, {UNSEEN}",
    ),
    # picklists
    (
        "lms_enrollment", inactive(f"{ENROLLMENT}.Progress_Status__c", "Behind", "OnTrack"),
        f"picklist {ENROLLMENT}.Progress_Status__c lacks the active value(s) Behind, OnTrack: add or activate them",
    ),
    (
        "lms_enrollment", inactive(f"{ENROLLMENT}.Absorb_Status__c", "Absent"),
        f"picklist {ENROLLMENT}.Absorb_Status__c lacks the active value(s) Absent: add or activate them",
    ),
    (
        "lms_enrollment",
        field(
            f"{ENROLLMENT}.Progress_Status__c",
            picklist=dict.fromkeys((rule.progress_status.upper() for rule in MAPS.rules), True),
        ),
        (f"picklist {ENROLLMENT}.Progress_Status__c lacks the active value(s) CompletedLate, CompletedOnTime,"
        " Completed, NoLongerTracking, NotStarted, InProgress, Overdue, Behind, OnTrack: add or activate them"),
    ),
    # an object whose records are only updated
    (
        "learning_item_progress", right(NATIVE, "updateable"),
        f"object {NATIVE} is not updateable for the run-as user: grant it in a permission set",
    ),
    (
        "learning_item_progress", inactive(f"{NATIVE}.ProgressStatus", "Overdue"),
        f"picklist {NATIVE}.ProgressStatus lacks the active value(s) Overdue: add or activate them",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=0, courses=1, rate_limit=0)) as running:
        assert running.org is not None
        running.org.open_learning_item_progress()
        yield running


@pytest.fixture
def org(box: Sandbox) -> Iterator[Org]:
    """The org of the module, whole again after the test."""
    assert box.org is not None
    tables = box.org._tables
    whole = {name: copy.deepcopy(table.schema) for name, table in tables.items()}
    every = dict(tables)
    yield box.org
    tables.update(every)
    for name, schema in whole.items():
        tables[name].schema = schema


def check(box: Sandbox, target: str) -> tuple[Any, ...]:
    """The fields that would be sent. Raises PreflightError."""
    assert box.org is not None
    login = SecretLogin(box.salesforce_url, box.org.client_id, box.org.client_secret)

    async def ask() -> tuple[Any, ...]:
        async with SalesforceClient(login, "67.0", 80) as client:
            return await preflight.check(client, ALL_TARGETS[target], MAPS)

    return asyncio.run(ask())


@pytest.mark.parametrize(("target", "spoil", "message"), ROWS, ids=[message[:70] for _, _, message in ROWS])
def test_one_broken_thing_gives_one_message(box: Sandbox, org: Org, target: str, spoil: Break, message: str) -> None:
    spoil(org)
    with pytest.raises(PreflightError) as caught:
        check(box, target)
    assert caught.value.problems == [message]
    assert "docs/salesforce-setup.md" in caught.value.remedy


def test_everything_that_is_broken_is_named_at_once(box: Sandbox, org: Org) -> None:
    rows = [row for row in ROWS if row[0] == "lms_enrollment" and not row[2].startswith("object")]
    fields: dict[str, tuple[Break, str]] = {}
    for _, spoil, message in rows:
        name = message.split()[1]
        if f"{COURSE}." not in message and "LMS_Course__r" not in message:
            fields.setdefault(name, (spoil, message))
    for spoil, _ in fields.values():
        spoil(org)
    with pytest.raises(PreflightError) as caught:
        check(box, "lms_enrollment")
    assert len(fields) >= 10
    assert sorted(caught.value.problems) == sorted(message for _, message in fields.values())


@pytest.mark.parametrize("target", ALL_TARGETS)
def test_the_shipped_metadata_has_nothing_wrong(box: Sandbox, org: Org, target: str) -> None:
    assert len(check(box, target)) == len(MAPS.object_fields(ALL_TARGETS[target].object))


# target, an org that differs in a way that does no harm
HARMLESS: list[tuple[str, Break]] = [
    # A picklist that is not restricted takes any value.
    (
        "lms_enrollment",
        field(f"{ENROLLMENT}.Progress_Status__c", restricted_picklist=False, picklist={"Behind": False}),
    ),
    # A value that no rule leads to may be missing; one of the administrator's own may be there.
    (
        "lms_enrollment",
        field(f"{ENROLLMENT}.Absorb_Status__c", picklist=dict.fromkeys([*MAPS.statuses.values(), "x"], True)),
    ),
    # The key is set on create only.
    ("lms_enrollment", field(f"{ENROLLMENT}.Absorb_Enrollment_Id__c", updateable=False)),
    ("lms_course", added(f"{COURSE}.Team__c", nillable=False, defaulted_on_create=True)),
    ("lms_course", added(f"{COURSE}.Total__c", nillable=False, createable=False)),
    # Records of Salesforce's own are not created, so nothing else is required of them.
    ("learning_item_progress", right(NATIVE, "createable")),
]


@pytest.mark.parametrize(("target", "change"), HARMLESS)
def test_what_does_no_harm_is_no_problem(box: Sandbox, org: Org, target: str, change: Break) -> None:
    change(org)
    assert check(box, target)


@pytest.mark.parametrize(
    "change",
    [
        gone(f"{COURSE}.Vendor__c"),
        field(f"{COURSE}.Vendor__c", createable=False),
        field(f"{COURSE}.Vendor__c", type="double"),
    ],
)
def test_an_optional_field_that_cannot_be_filled_is_left_out(box: Sandbox, org: Org, change: Break) -> None:
    change(org)
    assert "Vendor__c" not in {entry.field for entry in check(box, "lms_course")}
