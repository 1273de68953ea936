"""Objects that an org has without any metadata of ours, read from ``objects.csv`` and ``fields.csv``.

Written by hand from docs/facts/salesforce.md and the object reference. User, Contact and the learning objects of an
Enablement add-on are read-only here because the permission sets that ship give the integration user read access alone;
LearningItem and LearningItemProgress list no create, update or delete in any API version (section 0), and
LearningItemAssignment can be created and deleted, but not changed (section 1a). The Education Cloud objects are there
as far as the Learnings Graph fills them, and only its own resource writes them (section 6).

In ``fields.csv`` the object ``(every)`` stands for all objects and ``(owned)`` for those that are not the detail of
another one. `access` is read (the org itself fills the field), once (set on create) or write; picklists are restricted
unless they are open. LearningItemAssignment's AssignmentStatus begins as under way because the org enrolls after the
insert; what a new record really says is not documented.
"""

import csv
import json
from collections import defaultdict
from functools import cache
from importlib import resources
from typing import Any

from connector.sandbox.org.schema.model import FieldSchema, ObjectSchema

_RIGHTS = ("createable", "updateable", "deletable")
_ACCESS: dict[str, dict[str, bool]] = {
    "read": {"createable": False, "updateable": False, "defaulted_on_create": True},
    "once": {"updateable": False},
    "write": {},
}
Line = dict[str, str]


def builtin_objects() -> list[ObjectSchema]:
    """The objects of ``objects.csv``, with their fields behind those that every object has."""
    made = [_object(line) for line in _lines("objects")]
    for user in (schema for schema in made if schema.name == "User"):
        del user.fields["isdeleted"]  # users are deactivated, never deleted
    return made


def fields_of(object_name: str) -> dict[str, FieldSchema]:
    """The fields listed for an object, by lower-case name."""
    return {line["field"].lower(): _field(line) for line in _by_object()[object_name]}


def _object(line: Line) -> ObjectSchema:
    rights: dict[str, Any] = {right: right in line["rights"].split() for right in _RIGHTS}
    fields = fields_of("(every)") | fields_of(line["name"])
    texts = (line["name"], line["label"], line["plural"], line["key_prefix"])
    return ObjectSchema(*texts, fields, since=float(line["since"]), **rights)


def _field(line: Line) -> FieldSchema:
    traits = dict.fromkeys(line["traits"].split(), True)
    values = line["picklist"].split("|") if line["picklist"] else []
    made = FieldSchema(
        line["field"],
        line["type"],
        line["label"],
        length=int(line["length"] or 0),
        precision=int(line["precision"] or 0),
        scale=int(line["scale"] or 0),
        default=json.loads(line["default"] or "null"),
        picklist=dict.fromkeys(values, True),
        reference_to=line["reference_to"] or None,
        relationship_name=line["relationship_name"] or None,
    )
    nillable, restricted = not traits.pop("required", False), bool(values) and not traits.pop("open", False)
    return made.set(nillable=nillable, restricted_picklist=restricted, **_ACCESS[line["access"]], **traits)


@cache
def _by_object() -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = defaultdict(list)
    for line in _lines("fields"):
        found[line["object"]].append(line)
    return found


@cache
def _lines(name: str) -> list[Line]:
    text = resources.files("connector.sandbox.org.schema").joinpath(f"{name}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))
