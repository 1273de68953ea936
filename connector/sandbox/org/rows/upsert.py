"""Judges one incoming record: which stored record it means, and whether its values may be written.

Rules and codes: docs/facts/salesforce.md sections 3b and 3e. Planning writes nothing, so that an all-or-none call
can judge every record before it touches one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.sandbox.org.errors import missing, no_such_record, refused
from connector.sandbox.org.rows.ids import to_18
from connector.sandbox.org.rows.table import Row, Table
from connector.sandbox.org.rows.values import bad_value, coerce, malformed_id
from connector.sandbox.org.schema.model import FieldSchema

Tables = Mapping[str, Table]


@dataclass(slots=True)
class Plan:
    """What writing one record would do: update ``target``, or create where it is None."""

    target: Row | None
    values: Row


def plan_upsert(tables: Tables, table: Table, key: FieldSchema, record: Mapping[str, Any]) -> Plan:
    """The plan for a record identified by an external id."""
    values = read_values(tables, table, record)
    wanted = values.get(key.name)
    if wanted is None:
        raise refused("MISSING_ARGUMENT", f"{key.name} not specified", key.name)
    found = _by_key(table, key, wanted)
    return judge(table, table.rows[found] if found else None, values)


def plan_insert(tables: Tables, table: Table, record: Mapping[str, Any]) -> Plan:
    """The plan for a record that is to be made."""
    check_writable(table, create=True)
    return judge(table, None, read_values(tables, table, record))


def plan_change(tables: Tables, target: Row, table: Table, record: Mapping[str, Any]) -> Plan:
    """The plan for new values of a record that is known."""
    check_writable(table, create=False)
    return judge(table, target, read_values(tables, table, record))


def plan_update(tables: Tables, table: Table, record: Mapping[str, Any]) -> Plan:
    """The plan for a record identified by its own id, in either spelling of the name."""
    check_writable(table, create=False)
    given = next((value for name, value in record.items() if name.lower() == "id"), None)
    full = to_18(given) if isinstance(given, str) else None
    if given is None:
        raise refused("MISSING_ARGUMENT", "Id not specified in an update call")
    if full is None:
        raise refused("MALFORMED_ID", f"Record ID: id value of incorrect type: {given}", "Id")
    if full in table.recycled:
        raise refused("ENTITY_IS_DELETED", "entity is deleted")
    if full not in table.rows:
        raise no_such_record()
    values = {name: value for name, value in record.items() if name.lower() != "id"}
    return plan_change(tables, table.rows[full], table, values)


def check_writable(table: Table, *, create: bool) -> None:
    """Refuses a record of an object that the integration user may not create or change."""
    if not (table.schema.createable if create else table.schema.updateable):
        verb = "inserted" if create else "updated"
        raise refused("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be {verb}: {table.schema.label}")


def judge(table: Table, target: Row | None, values: Row) -> Plan:
    """Checks rights, required fields and uniqueness of values that are well-formed by themselves."""
    schema = table.schema
    if target is None:
        lacking = [name for name in schema.required if values.get(name) is None]
    else:
        lacking = [name for name, value in values.items() if value is None and name in schema.required]
    _check_rights(table, target, values)
    if lacking:
        raise missing(*lacking)
    for name in schema.indexed:
        refuse_duplicate(table, name, values.get(name), target)
    return Plan(target, values)


def read_values(tables: Tables, table: Table, record: Mapping[str, Any]) -> Row:
    """Field values as they would be stored, with parents named by external id turned into ids."""
    values: Row = {}
    fields = table.schema.fields
    for name, value in record.items():
        field = fields.get(name.lower())
        if field is not None:
            _put(values, field, _value(tables, field, value))
        elif name.lower() in table.schema.relationships:
            field = table.schema.relationships[name.lower()]
            _put(values, field, _parent(tables, field, value))
        elif name != "attributes":
            raise refused("INVALID_FIELD", f"No such column '{name}' on sobject of type {table.schema.name}")
    return values


def _put(values: Row, field: FieldSchema, value: Any) -> None:
    if field.name in values:
        both = f"an external ID reference {field.relationship_name} and a salesforce id, {field.name}"
        text = f"Cannot specify both {both}" if field.relationship_name else f"Duplicate field: {field.name}"
        raise refused("INVALID_FIELD", text, field.name)
    values[field.name] = value


def _value(tables: Tables, field: FieldSchema, value: Any) -> Any:
    if field.name == "Id":
        raise refused("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    if not field.createable and not field.updateable:
        return value  # refused by the check of rights, whatever the value is
    if field.type == "boolean" and value is None:
        raise bad_value(field, "INVALID_TYPE_ON_FIELD_IN_RECORD", "value not of required type: null")
    stored = coerce(field, value)
    if field.reference_to and stored is not None:
        _check_reference(tables, field, stored)
    return stored


def _check_reference(tables: Tables, field: FieldSchema, record_id: str) -> None:
    parent = tables.get((field.reference_to or "").lower())
    if parent is None or not record_id.startswith(parent.schema.key_prefix):
        raise malformed_id(field, record_id)
    if record_id not in parent.rows:
        raise no_such_record(field.name)


def _parent(tables: Tables, field: FieldSchema, value: Any) -> str | None:
    if value is None:
        return None
    keys = {k: v for k, v in value.items() if k != "attributes"} if isinstance(value, Mapping) else {}
    parent = tables.get((field.reference_to or "").lower())
    if parent is None or len(keys) != 1:
        raise refused("INVALID_FIELD", f"{field.relationship_name} needs exactly one external id field")
    (name, wanted), *_ = keys.items()
    key = parent.schema.field(name)
    if key is None or not (key.external_id or key.id_lookup):
        text = f"Field name provided, {name} does not match an External ID for {parent.schema.name}"
        raise refused("INVALID_FIELD", text)
    found = _by_key(parent, key, wanted) if isinstance(wanted, str) else None
    if found is None:
        text = f"Foreign key external ID: {wanted} not found for field {key.name} in entity {parent.schema.name}"
        raise refused("INVALID_FIELD", text)
    return found


def _by_key(table: Table, key: FieldSchema, wanted: str) -> str | None:
    """The id of the one record with this external id, or None."""
    hits = table.find(key.name, wanted)
    if len(hits) > 1:
        raise refused("DUPLICATE_EXTERNAL_ID", f"{key.name}: more than one record found: {hits}", key.name)
    return hits[0] if hits else None


def _check_rights(table: Table, target: Row | None, values: Row) -> None:
    right = "createable" if target is None else "updateable"
    locked = [name for name in values if right not in table.schema.fields[name.lower()].traits]
    if locked:
        text = (
            f"Unable to create/update fields: {', '.join(locked)}. Please check the security settings of"
            " this field and verify that it is read/write for your profile or permission set."
        )
        raise refused("INVALID_FIELD_FOR_INSERT_UPDATE", text, *locked)


def refuse_duplicate(table: Table, name: str, value: Any, own: Row | None) -> None:
    """Refuses a value that another record than ``own`` has in this field."""
    others = [hit for hit in table.find(name, value) if hit != (own or {}).get("Id")] if value else []
    if others:
        text = f"duplicate value found: {name} duplicates value on record with id: {others[0]}"
        raise refused("DUPLICATE_VALUE", text, name)
