"""Does the org have what the field map needs? Asked by describe before anything is sent; all problems named at once."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from typing import Any

from connector.errors import NotFoundError, PreflightError
from connector.salesforce.client import SalesforceClient
from connector.salesforce.targets import Target
from mappings import PROGRESS_STATUSES, FieldMap, Mapping

REMEDY = (
    "Deploy mappings/salesforce and assign the permission set LearnSync_Integration to the run-as user"
    " (docs/salesforce-setup.md), or correct salesforce_fields.csv in LEARNSYNC_MAPPING__DIR."
)
# Which describe types can take a kind (facts/salesforce.md section 5).
_TYPES = {
    "text": {"string", "textarea", "picklist", "combobox", "email", "phone", "url"},
    "number": {"double", "int", "percent", "currency", "long"},
    "checkbox": {"boolean"},
    "datetime": {"datetime"},
    "reference": {"reference"},
}
_LENGTHS = {"course_id": 36, "enrollment_id": 36, "certificate_id": 36, "learning_record_id": 30, "name": 80}

Describe = MappingType[str, Any]


async def check(client: SalesforceClient, target: Target, maps: Mapping) -> tuple[FieldMap, ...]:
    """The fields to send to `target`: the map's, less optional ones the org lacks. Raises PreflightError."""
    try:
        describe = await client.describe(target.object)
    except NotFoundError:
        await client.check_version()  # a version that the org does not serve looks the same
        problem = f"object {target.object} does not exist, or the run-as user cannot see it"
        raise PreflightError([problem], remedy=REMEDY) from None
    fields = maps.object_fields(target.object)
    parents = {}
    for field in fields:
        parent = _parent_object(describe, field)
        if parent and parent not in parents:
            parents[parent] = await _describe_or_none(client, parent)
    problems, usable = judge(describe, target, fields, parents, maps)
    if problems:
        raise PreflightError(problems, remedy=REMEDY)
    return usable


async def _describe_or_none(client: SalesforceClient, name: str) -> Describe | None:
    try:
        return await client.describe(name)
    except NotFoundError:
        return None


def judge(
    describe: Describe,
    target: Target,
    fields: tuple[FieldMap, ...],
    parents: MappingType[str, Describe | None],
    maps: Mapping,
) -> tuple[list[str], tuple[FieldMap, ...]]:
    """(problems, fields that can be sent), from describes alone."""
    problems = [
        f"object {target.object} is not {word} for the run-as user"
        for word in ("createable", "updateable")
        if not describe.get(word)
    ]
    known = {entry["name"]: entry for entry in describe["fields"]}
    key = known.get(target.key)
    if key is not None and not (key.get("externalId") or key.get("idLookup")):
        problems.append(f"field {target.object}.{target.key} is not marked as External ID")
    usable = []
    for field in fields:
        entry = _entry(describe, field)
        if entry is None and not field.required:
            continue
        found = _field_problems(target, field, entry, parents, maps)
        if found and not field.required:
            continue
        problems += found
        usable.append(field)
    return problems, tuple(usable)


def _entry(describe: Describe, field: FieldMap) -> Describe | None:
    if field.kind == "parent":
        relation = field.field.partition(".")[0]
        return next((e for e in describe["fields"] if e.get("relationshipName") == relation), None)
    return next((e for e in describe["fields"] if e["name"] == field.field), None)


def _parent_object(describe: Describe, field: FieldMap) -> str | None:
    entry = _entry(describe, field) if field.kind == "parent" else None
    references = entry.get("referenceTo") if entry else None
    return str(references[0]) if references else None


def _field_problems(
    target: Target,
    field: FieldMap,
    entry: Describe | None,
    parents: MappingType[str, Describe | None],
    maps: Mapping,
) -> list[str]:
    name = f"{target.object}.{field.field}"
    if entry is None:
        return [f"field {name} does not exist, or the run-as user cannot see it"]
    problems = []
    kind = "reference" if field.kind == "parent" else field.kind
    if entry["type"] not in _TYPES[kind]:
        problems.append(f"field {name} is of type {entry['type']}, which cannot hold a {field.kind}")
    # The upsert key is given in the URL as well; Salesforce asks that it can be set on create only.
    wanted = ("createable",) if field.field == target.key else ("createable", "updateable")
    problems += [f"field {name} is not {word} for the run-as user" for word in wanted if not entry.get(word)]
    problems += _picklist_problems(name, field, entry, maps)
    length = entry.get("length") or 0
    if entry["type"] == "string" and 0 < length < _LENGTHS.get(field.source, 0):
        problems.append(f"field {name} holds {length} characters, {_LENGTHS[field.source]} are needed")
    if field.kind == "parent":
        problems += _parent_problems(name, field, entry, parents)
    return problems


def _picklist_problems(name: str, field: FieldMap, entry: Describe, maps: Mapping) -> list[str]:
    if entry["type"] != "picklist" or not entry.get("restrictedPicklist"):
        return []
    needed = {"progress_status": PROGRESS_STATUSES, "absorb_status": tuple(maps.statuses.values())}.get(
        field.source, ()
    )
    # Values, never labels: labels are translated.
    active = {value["value"] for value in entry.get("picklistValues", []) if value.get("active")}
    missing = [value for value in needed if value not in active]
    return [f"picklist {name} lacks the active value(s) {', '.join(missing)}"] if missing else []


def _parent_problems(
    name: str, field: FieldMap, entry: Describe, parents: MappingType[str, Describe | None]
) -> list[str]:
    parent = str((entry.get("referenceTo") or ["?"])[0])
    describe = parents.get(parent)
    key = field.field.partition(".")[2]
    if describe is None:
        return [f"object {parent}, the parent of {name}, does not exist, or the run-as user cannot see it"]
    found = next((e for e in describe["fields"] if e["name"] == key), None)
    if found is None or not (found.get("externalId") or found.get("idLookup")):
        return [f"field {parent}.{key}, which {name} refers to, does not exist or is not marked as External ID"]
    return []
