"""sObject resources: describe, single records, and collections of up to 200 records of one type per call.

Rules: docs/facts/salesforce.md sections 3b, 3f and 5.
"""

from typing import Any

from starlette.responses import Response

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.instants import org_text
from connector.sandbox.kit.routes import Table, json_response
from connector.sandbox.org.call import Call, unreadable
from connector.sandbox.org.errors import no_such_key, not_found, refused
from connector.sandbox.org.rest.replication import DELETED_DAYS, UPDATED_DAYS
from connector.sandbox.org.rows.ids import to_18
from connector.sandbox.org.rows.table import Table as Records
from connector.sandbox.org.rows.table import address, attributes
from connector.sandbox.org.schema.model import ObjectSchema

MAX_COLLECTION = 200


def _list(call: Call) -> Response:
    version = float(call.version)
    listed = [schema.summary(call.version) for schema in call.house.schemas() if schema.since <= version]
    return json_response({"encoding": "UTF-8", "maxBatchSize": MAX_COLLECTION, "sobjects": listed})


def _upsert(call: Call) -> Response:
    schema, body = call.schema(), call.json_object()
    key = call.house.external_id(schema, call.path["field"])
    if any(name.lower() == key.name.lower() for name in body):
        raise refused("INVALID_FIELD", f"The {key.name} field should not be specified in the sobject data.")
    _hits(call, schema)
    record = {**body, key.name: call.path["value"]}
    return _single(call.house.upsert(schema.name, key.name, [record], by=call.user)[0], upsert=True)


def _id(call: Call) -> str:
    full = to_18(call.path["id"])
    if full is None:
        raise no_such_key()
    return full


def _hits(call: Call, schema: ObjectSchema) -> list[str]:
    """The one record with the external id of the path, or none; 300 where there are several."""
    field = call.house.external_id(schema, call.path["field"])
    hits = call.house.table(schema.name).find(field.name, call.path["value"])
    if len(hits) > 1:
        text = f"The external id matches {len(hits)} records"
        raise Refusal(300, "MULTIPLE_CHOICES", text, *(address(schema, hit, call.version) for hit in hits))
    return hits


def _external(call: Call) -> str:
    """The id of the one record with the external id of the path; 404 where there is none."""
    hits = _hits(call, call.schema())
    if not hits:
        raise not_found()
    return hits[0]


def _record(call: Call, record_id: str) -> Response:
    schema = call.schema()
    row = call.house.record(schema.name, record_id)
    wanted = call.request.query_params.get("fields")
    if wanted:
        row = {name: _named(row, schema, name.strip()) for name in wanted.split(",")} | {"Id": row["Id"]}
    return json_response({"attributes": attributes(schema, record_id, call.version), **row})


def _named(row: dict[str, Any], schema: ObjectSchema, name: str) -> Any:
    field = schema.field(name)
    if field is None:
        raise refused("INVALID_FIELD", f"No such column '{name}' on sobject of type {schema.name}")
    return row[field.name]


def _remove(call: Call, record_id: str) -> Response:
    schema = call.schema()
    if not schema.deletable:
        raise refused("CANNOT_DELETE_ENTITY", f"entity type cannot be deleted: {schema.label}")
    call.house.record(schema.name, record_id)
    call.house.delete(schema.name, [record_id], by=call.user)
    return Response(status_code=204)


def _single(result: dict[str, Any], *, upsert: bool = False) -> Response:
    if not result["success"]:
        refusal = result["errors"][0]
        raise refused(refusal["statusCode"], refusal["message"], *refusal["fields"])
    if upsert:
        # An upsert answers 200 for an update and 201 for a create, with the same body (API v46 and later).
        return json_response(result, status=201 if result["created"] else 200)
    if result["created"]:
        return json_response({"id": result["id"], "success": True, "errors": []}, status=201)
    return Response(status_code=204)


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


# Fixed paths come before those with parameters.
def _updated(call: Call) -> Response:
    table, (start, end) = _asked(call, UPDATED_DAYS)
    ids = [row["Id"] for row in table.rows.values() if start <= row["SystemModstamp"] < end]
    covered = call.house.replication.covered(end)
    return json_response({"ids": call.house.replication.capped(ids), "latestDateCovered": covered})


def _deleted(call: Call) -> Response:
    table, (start, end) = _asked(call, DELETED_DAYS)
    log_from = org_text(call.house.replication.earliest())
    found = {key: at for key, at in table.deletions().items() if max(start, log_from) <= at < end}
    records = [{"id": key, "deletedDate": found[key]} for key in call.house.replication.capped(found)]
    covered = call.house.replication.covered(end)
    return json_response({"deletedRecords": records, "earliestDateAvailable": log_from, "latestDateCovered": covered})


def _asked(call: Call, days: int) -> tuple[Records, tuple[str, str]]:
    table = call.house.table(call.schema().name)
    return table, call.house.replication.window(call.query.get("start"), call.query.get("end"), days)


SOBJECTS: Table[Call] = {
    "/sobjects[/]": {"GET": _list},
    "/sobjects/{object}[/]": {
        "GET": lambda call: json_response({"objectDescribe": call.schema().summary(call.version), "recentItems": []}),
        "POST": lambda call: _single(call.house.insert(call.schema().name, [call.json_object()], by=call.user)[0]),
    },
    "/sobjects/{object}/describe[/]": {"GET": lambda call: json_response(call.schema().describe(call.version))},
    "/sobjects/{object}/updated[/]": {"GET": _updated},
    "/sobjects/{object}/deleted[/]": {"GET": _deleted},
    "/sobjects/{object}/{id}": {
        "GET": lambda call: _record(call, _id(call)),
        "PATCH": lambda call: _single(
            call.house.update(call.schema().name, _id(call), call.json_object(), by=call.user)
        ),
        "DELETE": lambda call: _remove(call, _id(call)),
    },
    "/sobjects/{object}/{field}/{value:path}": {
        "GET": lambda call: _record(call, _external(call)),
        "PATCH": _upsert,
        "DELETE": lambda call: _remove(call, _external(call)),
    },
    "/composite/sobjects": {"POST": _create_many, "PATCH": _update_many},
    "/composite/sobjects/{object}/{field}": {"PATCH": _upsert_many},
}
