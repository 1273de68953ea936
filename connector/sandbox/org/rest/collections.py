"""sObject Collections: up to 200 records of one type per call (docs/facts/salesforce.md section 3b)."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from connector.sandbox.kit.routes import Table, json_response
from connector.sandbox.org.call import Call, unreadable
from connector.sandbox.org.errors import refused

MAX_COLLECTION = 200


def _create_many(call: Call) -> Response:
    records, all_or_none = _collection(call)
    name = _one_type(records, "creates")
    if records:
        call.house.schema(name)  # 404 for a type that the org has not got
    call.house.tally.collection_calls += 1
    results = call.house.insert(name, records, all_or_none, by=call.user) if records else []
    return json_response(results)


def _update_many(call: Call) -> Response:
    records, all_or_none = _collection(call)
    name = _one_type(records, "updates")
    call.house.tally.collection_calls += 1
    results = call.house.update_many(name, records, all_or_none, by=call.user) if records else []
    return json_response([{name: value for name, value in result.items() if name != "created"} for result in results])


def _upsert_many(call: Call) -> Response:
    schema = call.schema()
    key = call.house.external_id(schema, call.path["field"])
    records, all_or_none = _collection(call)
    for record in records:
        if _type_of(record).lower() != schema.name.lower():
            text = f"The sobject type '{_type_of(record)}' does not match the type '{schema.name}' in the URL"
            raise refused("INVALID_TYPE", text)
    call.house.tally.collection_calls += 1
    return json_response(call.house.upsert(schema.name, key.name, records, all_or_none, by=call.user))


def _collection(call: Call) -> tuple[list[dict[str, Any]], bool]:
    """The records of the body, and ``allOrNone``."""
    body = call.json_object()
    records, all_or_none = body.get("records"), body.get("allOrNone", False)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise unreadable("records must be an array of sobjects")
    if not isinstance(all_or_none, bool):
        raise unreadable("allOrNone must be a boolean")
    if len(records) > MAX_COLLECTION:
        text = f"record limit reached. cannot submit more than {MAX_COLLECTION} records"
        raise refused("EXCEEDED_MAX_SIZE_REQUEST", text)
    return records, all_or_none


def _one_type(records: list[dict[str, Any]], verb: str) -> str:
    names = {_type_of(record).lower() for record in records}
    if len(names) > 1:
        raise refused("INVALID_TYPE", f"The sandbox {verb} records of one type per call")
    return names.pop() if names else ""


def _type_of(record: dict[str, Any]) -> str:
    attributes = record.get("attributes")
    name = attributes.get("type") if isinstance(attributes, dict) else None
    if not isinstance(name, str):
        raise refused("INVALID_TYPE", "Object type not specified: attributes.type is missing")
    return name


COLLECTIONS: Table[Call] = {
    "/composite/sobjects": {"POST": _create_many, "PATCH": _update_many},
    "/composite/sobjects/{object}/{field}": {"PATCH": _upsert_many},
}
