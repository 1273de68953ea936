"""Does the org have what the field map needs? Asked by describe before anything is sent; all problems named at once."""

from collections.abc import Callable
from collections.abc import Mapping as MappingType
from typing import Any

from connector.errors import NotFoundError, PreflightError, TargetRefusedError
from connector.salesforce.client import SalesforceClient
from connector.salesforce.targets import PROGRESS, OrgObject
from connector.settings import Settings, variable
from mappings import FieldMap, Mapping, metadata, shipped_fields

DEPLOY = f"cd {metadata.FOLDER} && sf project deploy start --source-dir force-app"
REMEDY = (
    f"Deploy mappings/salesforce (`{DEPLOY}`) and assign the permission set LearnSync_Integration to the run-as user"
    " (docs/salesforce-setup.md), or correct salesforce_fields.csv in LEARNSYNC_MAPPING__DIR."
)
# Which describe types can take a kind (docs/facts/salesforce.md section 5), and what to make of a field that cannot.
_TYPES = {
    "text": {"string", "textarea", "picklist", "combobox", "email", "phone", "url"},
    "number": {"double", "int", "percent", "currency", "long"},
    "checkbox": {"boolean"},
    "datetime": {"datetime"},
    "reference": {"reference"},
}
_WANTED = {
    "text": "Text", "number": "Number or Percent", "checkbox": "Checkbox", "datetime": "Date/Time",
    "reference": "Lookup", "parent": "Lookup",
}  # fmt: skip
# The most digits before the point that a column of sql/push_*.sql has.
_DIGITS = {"completed_percent": 3, "score": 3, "completed_on_day": 5}
_PEOPLE = {"salesforce_user_id": "User", "salesforce_contact_id": "Contact"}
_UNSEEN = "does not exist, or the run-as user cannot see it: deploy it and grant the user read access"
WRITES_SETTING = variable("salesforce", "allow_learning_item_progress_writes")
_INSTEAD = "Push without --target: the custom objects carry the same statuses (docs/salesforce-setup.md section 5)."

Describe = MappingType[str, Any]


async def check(client: SalesforceClient, target: OrgObject, maps: Mapping) -> tuple[FieldMap, ...]:
    """The fields to send to `target`: the map's, less optional ones the org lacks. Raises PreflightError."""
    return (await look(client, target, maps))[0]


async def look(client: SalesforceClient, target: OrgObject, maps: Mapping) -> tuple[tuple[FieldMap, ...], list[str]]:
    """(the same fields, notes on metadata of the org that is older than what ships here). Raises PreflightError."""
    describe = await describe_or_none(client, target.object)
    if describe is None:
        raise PreflightError([f"object {target.object} {_UNSEEN}"], remedy=REMEDY)
    fields = maps.object_fields(target.object)
    lookups = [_entry(describe, field) or {} for field in fields if field.kind == "parent"]
    names = dict.fromkeys(str(name) for entry in lookups for name in (entry.get("referenceTo") or [])[:1])
    parents = {name: await describe_or_none(client, name) for name in names}
    problems, usable = compare(describe, target, fields, parents, maps)
    if problems:
        raise PreflightError(problems, remedy=REMEDY)
    return usable, older(describe, target, fields)


def older(describe: Describe, target: OrgObject, fields: tuple[FieldMap, ...]) -> list[str]:
    """What to say of shipped fields that the org lacks or hides; formulas, and what the map in use fills."""
    filled = {field.field.partition(".")[0].replace("__r", "__c") for field in fields}
    known = {str(entry["name"]) for entry in describe["fields"]}
    wanted = [name for name, formula in shipped_fields(target.object).items() if formula or name in filled]
    if not (missing := [name for name in wanted if name not in known]):
        return []
    note = (
        f"the metadata in the org is older than this learnsync: {', '.join(missing)} not there, or not visible to the"
        f" run-as user. Deploy it with `{DEPLOY}`, and the permission sets with it; until then these fields stay empty"
    )
    return [note]


async def describe_or_none(client: SalesforceClient, name: str) -> Describe | None:
    """The org's describe of an object, None where it has none or hides it. Raises SettingsError: see check_version."""
    try:
        return await client.describe(name)
    except NotFoundError:
        await client.check_version()  # a version that the org does not serve looks the same
        return None


async def permit_progress(client: SalesforceClient, settings: Settings) -> None:
    """Raise TargetRefusedError, which says why, unless describe and the setting both allow updating native progress.

    No API version lists create, update or upsert for the object (docs/facts/salesforce.md section 0); one newer page of
    the vendor prints Create and Update beside some of its fields, which is no evidence of access. So describe decides,
    the default is no, and records are only ever updated by Id: Salesforce itself makes them.
    """
    describe = await describe_or_none(client, PROGRESS.object)
    if describe is None:
        raise TargetRefusedError(
            f"{PROGRESS.object} cannot be pushed to: it is not in this org, or the run-as user cannot see it"
            " (it comes with Enablement).",
            remedy=_INSTEAD,
        )
    if not describe.get("updateable"):
        said = ", ".join(f"{word} = {str(bool(describe.get(word))).lower()}" for word in ("createable", "updateable"))
        raise TargetRefusedError(
            f"{PROGRESS.object} cannot be pushed to: Salesforce offers no create, update or upsert of it through any"
            f" API, and the describe of this org agrees ({said}).",
            remedy=f"{_INSTEAD} {WRITES_SETTING} cannot change that.",
        )
    if not settings.salesforce.allow_learning_item_progress_writes:
        raise TargetRefusedError(
            f"{PROGRESS.object} is not pushed to: this org's describe calls it updateable, but it is Salesforce's own"
            f" record of progress, and {WRITES_SETTING} is not true.",
            remedy=f"{_INSTEAD} Set {WRITES_SETTING}=true only where learnsync may overwrite what Salesforce computed.",
        )


def compare(
    describe: Describe,
    target: OrgObject,
    fields: tuple[FieldMap, ...],
    parents: MappingType[str, Describe | None],
    maps: Mapping,
) -> tuple[list[str], tuple[FieldMap, ...]]:
    """(problems, fields that can be sent), from describes alone.

    An optional field that the org lacks, or cannot take, is left out; one that is there but would refuse some of the
    values is a problem like that of a required field.
    """
    problems = [
        f"object {target.object} is not {word} for the run-as user: grant it in a permission set"
        for word in target.rights
        if not describe.get(word)
    ]
    known = {entry["name"]: entry for entry in describe["fields"]}
    key = known.get(target.key)
    if key is not None and not (key.get("externalId") or key.get("idLookup")):
        problems.append(f"field {target.object}.{target.key} is not marked as External ID: mark it")
    usable = []
    for field in fields:
        entry = _entry(describe, field)
        found = _shape_problems(target, field, entry, parents)
        if found and not field.required:
            continue
        problems += found
        if entry is not None:
            problems += _value_problems(target, field, entry, maps)
        usable.append(field)
    if not usable:
        names = ", ".join(field.field for field in fields)
        problems.append(f"object {target.object} has none of the mapped fields ({names}) in a form that can be written")
    return problems + _unfilled(target, describe, usable), tuple(usable)


def _unfilled(target: OrgObject, describe: Describe, usable: list[FieldMap]) -> list[str]:
    """Fields without which the org refuses to create a record, and that the map does not fill."""
    filled = {str((_entry(describe, field) or {}).get("name")) for field in usable}
    return [
        f"field {target.object}.{entry['name']} is required by the org and salesforce_fields.csv does not fill it:"
        " map it, or make it optional"
        for entry in describe["fields"]
        if entry.get("createable") and not entry.get("nillable", True) and not entry.get("defaultedOnCreate")
        if entry["name"] not in filled and not target.update_only
    ]


def _entry(describe: Describe, field: FieldMap) -> Describe | None:
    name, of = field.field.partition(".")[0], "relationshipName" if field.kind == "parent" else "name"
    return next((entry for entry in describe["fields"] if entry.get(of) == name), None)


def _shape_problems(
    target: OrgObject, field: FieldMap, entry: Describe | None, parents: MappingType[str, Describe | None]
) -> list[str]:
    """Why no value of ours could go into the field."""
    name = f"{target.object}.{field.field}"
    if entry is None:
        return [f"field {name} {_UNSEEN}"]
    problems = []
    kind = "reference" if field.kind == "parent" else field.kind
    if entry["type"] not in _TYPES[kind]:
        problems.append(
            f"field {name} is of type {entry['type']}, which cannot hold a {field.kind}:"
            f" make it a {_WANTED[field.kind]} field"
        )
    # The upsert key is given in the URL as well; Salesforce asks that it can be set on create only.
    wanted = ("createable",) if field.field == target.key else target.rights
    problems += [
        f"field {name} is not {word} for the run-as user: grant edit access to it in a permission set"
        for word in wanted
        if not entry.get(word)
    ]
    person = _PEOPLE.get(field.source)
    if kind == "reference" and person and person not in (entry.get("referenceTo") or []):
        problems.append(f"field {name} does not refer to {person}: make it a Lookup({person})")
    if field.kind == "parent":
        problems += _parent_problems(name, field, entry, parents)
    return problems


def _value_problems(target: OrgObject, field: FieldMap, entry: Describe, maps: Mapping) -> list[str]:
    """Why some value of ours would not go into the field."""
    name = f"{target.object}.{field.field}"
    problems = _picklist_problems(name, field, entry, maps)
    length, longest = entry.get("length") or 0, field.longest or 0
    if entry["type"] in {"string", "textarea"} and field.source in _VALUES:
        longest = max(map(len, _VALUES[field.source](maps)))
    if entry["type"] in {"string", "textarea"} and 0 < length < longest:
        problems.append(f"field {name} holds {length} characters, {longest} are needed: lengthen it")
    digits = (entry.get("precision") or 0) - (entry.get("scale") or 0)
    if entry["type"] in _TYPES["number"] and 0 < digits < _DIGITS.get(field.source, 0):
        problems.append(
            f"field {name} holds {digits} digits before the point, {_DIGITS[field.source]} are needed: widen it"
        )
    return problems


# Columns whose values are known beforehand.
_VALUES: dict[str, Callable[[Mapping], tuple[str, ...]]] = {
    "progress_status": lambda maps: tuple(dict.fromkeys(rule.progress_status for rule in maps.rules)),
    "absorb_status": lambda maps: tuple(maps.statuses.values()),
}


def _picklist_problems(name: str, field: FieldMap, entry: Describe, maps: Mapping) -> list[str]:
    if entry["type"] != "picklist" or not entry.get("restrictedPicklist") or field.source not in _VALUES:
        return []
    # Values, never labels: labels are translated.
    active = {value["value"] for value in entry.get("picklistValues") or [] if value.get("active")}
    missing = [value for value in _VALUES[field.source](maps) if value not in active]
    return [f"picklist {name} lacks the active value(s) {', '.join(missing)}: add or activate them"] if missing else []


def _parent_problems(
    name: str, field: FieldMap, entry: Describe, parents: MappingType[str, Describe | None]
) -> list[str]:
    parent = str((entry.get("referenceTo") or ["?"])[0])
    describe = parents.get(parent)
    key = field.field.partition(".")[2]
    if describe is None:
        return [f"object {parent}, the parent of {name}, {_UNSEEN}"]
    found = next((e for e in describe["fields"] if e["name"] == key), None)
    if found is None or not (found.get("externalId") or found.get("idLookup")):
        what = f"field {parent}.{key}, which {name} refers to,"
        return [f"{what} does not exist or is not marked as External ID: deploy it, or mark it"]
    return []
