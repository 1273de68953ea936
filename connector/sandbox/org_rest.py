"""sObject and collection resources of the sandbox org (docs/facts/salesforce.md sections 3b, 3f and 5)."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .org import Org
from .org_api import Call, resource
from .org_errors import RequestError, SeveralMatches
from .org_ids import to_18
from .org_replication_api import replication_resources
from .org_schema import ObjectSchema

MAX_COLLECTION = 200


def sobject_routes(org: Org) -> list[Route]:
    """Describe, single records and collections; fixed paths come before those with parameters."""
    return [
        resource(org, "/sobjects", GET=_list),
        resource(org, "/sobjects/", GET=_list),
        resource(org, "/sobjects/{object}", GET=_basic, POST=_create),
        resource(org, "/sobjects/{object}/", GET=_basic, POST=_create),
        resource(org, "/sobjects/{object}/describe", GET=_describe),
        resource(org, "/sobjects/{object}/describe/", GET=_describe),
        *replication_resources(org),
        resource(org, "/sobjects/{object}/{id}", GET=_get, PATCH=_update, DELETE=_delete),
        resource(
            org,
            "/sobjects/{object}/{field}/{value:path}",
            GET=_get_external,
            PATCH=_upsert,
            DELETE=_delete_external,
        ),
        resource(org, "/composite/sobjects", POST=_create_many, PATCH=_update_many),
        resource(org, "/composite/sobjects/{object}/{field}", PATCH=_upsert_many),
    ]


def _schema(call: Call) -> ObjectSchema:
    schema = call.org.schema(call.path["object"])
    if float(call.version) < schema.since:
        raise RequestError(404, "NOT_FOUND", "The requested resource does not exist")
    return schema


def _list(call: Call) -> Response:
    version = float(call.version)
    listed = [schema.summary(call.version) for schema in call.org.schemas() if schema.since <= version]
    return JSONResponse({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed})


def _basic(call: Call) -> Response:
    return JSONResponse({"objectDescribe": _schema(call).summary(call.version), "recentItems": []})


def _describe(call: Call) -> Response:
    with call.org.lock:
        return JSONResponse(_schema(call).describe(call.version))


def _get(call: Call) -> Response:
    return _record(call, _schema(call), _id(call))


def _update(call: Call) -> Response:
    return _single(call.org.update(_schema(call).name, _id(call), call.json_object(), by=call.user))


def _delete(call: Call) -> Response:
    return _remove(call, _schema(call), _id(call))


def _create(call: Call) -> Response:
    return _single(call.org.insert(_schema(call).name, [call.json_object()], by=call.user)[0])


def _get_external(call: Call) -> Response:
    return _record(call, _schema(call), _one(call))


def _delete_external(call: Call) -> Response:
    return _remove(call, _schema(call), _one(call))


def _upsert(call: Call) -> Response:
    schema, body = _schema(call), call.json_object()
    key = call.org.external_id(schema, call.path["field"])
    if any(name.lower() == key.name.lower() for name in body):
        raise RequestError(400, "INVALID_FIELD", f"The {key.name} field should not be specified in the sobject data.")
    _refuse_several(call, schema)
    record = {**body, key.name: call.path["value"]}
    return _single(call.org.upsert(schema.name, key.name, [record], by=call.user)[0], upsert=True)


def _create_many(call: Call) -> Response:
    records, all_or_none = _collection(call)
    names = {_type_of(record).lower() for record in records}
    if len(names) > 1:
        raise RequestError(400, "INVALID_TYPE", "The sandbox creates records of one type per call")
    name = call.org.schema(names.pop()).name if names else ""
    _count_collection(call.org)
    results = call.org.insert(name, records, all_or_none, by=call.user) if records else []
    return JSONResponse(results)


def _update_many(call: Call) -> Response:
    records, all_or_none = _collection(call)
    names = {_type_of(record).lower() for record in records}
    if len(names) > 1:
        raise RequestError(400, "INVALID_TYPE", "The sandbox updates records of one type per call")
    _count_collection(call.org)
    results = call.org.update_many(names.pop(), records, all_or_none, by=call.user) if records else []
    return JSONResponse([{name: value for name, value in result.items() if name != "created"} for result in results])


def _upsert_many(call: Call) -> Response:
    schema = _schema(call)
    key = call.org.external_id(schema, call.path["field"])
    records, all_or_none = _collection(call)
    for record in records:
        if _type_of(record).lower() != schema.name.lower():
            raise RequestError(
                400,
                "INVALID_TYPE",
                f"The sobject type '{_type_of(record)}' does not match the type '{schema.name}' in the URL",
            )
    _count_collection(call.org)
    return JSONResponse(call.org.upsert(schema.name, key.name, records, all_or_none, by=call.user))


def _collection(call: Call) -> tuple[list[dict[str, Any]], bool]:
    body = call.json_object()
    records, all_or_none = body.get("records"), body.get("allOrNone", False)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise RequestError(400, "JSON_PARSER_ERROR", "records must be an array of sobjects")
    if not isinstance(all_or_none, bool):
        raise RequestError(400, "JSON_PARSER_ERROR", "allOrNone must be a boolean")
    if len(records) > MAX_COLLECTION:
        raise RequestError(
            400, "EXCEEDED_MAX_SIZE_REQUEST", "record limit reached. cannot submit more than 200 records"
        )
    return records, all_or_none


def _type_of(record: dict[str, Any]) -> str:
    attributes = record.get("attributes")
    name = attributes.get("type") if isinstance(attributes, dict) else None
    if not isinstance(name, str):
        raise RequestError(400, "INVALID_TYPE", "Object type not specified: attributes.type is missing")
    return name


def _count_collection(org: Org) -> None:
    with org.lock:
        org.collection_calls += 1


def _id(call: Call) -> str:
    full = to_18(call.path["id"])
    if full is None:
        raise RequestError(404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible")
    return full


def _hits(call: Call, schema: ObjectSchema) -> list[str]:
    field = call.org.external_id(schema, call.path["field"])
    return call.org.find(schema.name, field, call.path["value"])


def _refuse_several(call: Call, schema: ObjectSchema) -> list[str]:
    hits = _hits(call, schema)
    if len(hits) > 1:
        raise SeveralMatches([f"/services/data/v{call.version}/sobjects/{schema.name}/{hit}" for hit in hits])
    return hits


def _one(call: Call) -> str:
    hits = _refuse_several(call, _schema(call))
    if not hits:
        raise RequestError(404, "NOT_FOUND", "The requested resource does not exist")
    return hits[0]


def _record(call: Call, schema: ObjectSchema, record_id: str) -> Response:
    row = call.org.record(schema.name, record_id)
    wanted = call.request.query_params.get("fields")
    if wanted:
        row = {name: _named(row, schema, name.strip()) for name in wanted.split(",")} | {"Id": row["Id"]}
    url = f"/services/data/v{call.version}/sobjects/{schema.name}/{record_id}"
    return JSONResponse({"attributes": {"type": schema.name, "url": url}, **row})


def _named(row: dict[str, Any], schema: ObjectSchema, name: str) -> Any:
    field = schema.field(name)
    if field is None:
        raise RequestError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {schema.name}")
    return row[field.name]


def _remove(call: Call, schema: ObjectSchema, record_id: str) -> Response:
    if not schema.deletable:
        raise RequestError(400, "CANNOT_DELETE_ENTITY", f"entity type cannot be deleted: {schema.label}")
    call.org.record(schema.name, record_id)
    call.org.delete(schema.name, [record_id], by=call.user)
    return Response(status_code=204)


def _single(result: dict[str, Any], *, upsert: bool = False) -> Response:
    if not result["success"]:
        refusal = result["errors"][0]
        raise RequestError(400, refusal["statusCode"], refusal["message"], *refusal["fields"])
    if upsert:
        # An upsert answers 200 for an update and 201 for a create, with the same body (API v46 and later).
        return JSONResponse(result, status_code=201 if result["created"] else 200)
    if result["created"]:
        return JSONResponse({"id": result["id"], "success": True, "errors": []}, status_code=201)
    return Response(status_code=204)
