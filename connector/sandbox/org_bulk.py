"""Bulk API 2.0 ingest resources of the sandbox org, ``/jobs/ingest`` (docs/facts/salesforce.md section 3a)."""

from __future__ import annotations

import gzip

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .org import Org
from .org_api import Call, Resource, resource
from .org_bulk_jobs import TERMINAL, Job
from .org_errors import RequestError

# The last one is documented in lower case; clients also ask for it in camel case, and orgs serve them.
_RESULTS = ("successfulResults", "failedResults", "unprocessedrecords", "unprocessedRecords")


def bulk_routes(org: Org) -> list[Route]:
    """Jobs, their data and their results; every path is served with and without a slash at its end."""
    found: list[tuple[str, dict[str, Resource]]] = [
        ("/jobs/ingest", {"GET": _list, "POST": _create}),
        ("/jobs/ingest/{job}", {"GET": _info, "PATCH": _change, "DELETE": _delete}),
        ("/jobs/ingest/{job}/batches", {"PUT": _upload}),
        *((f"/jobs/ingest/{{job}}/{name}", {"GET": _result(name)}) for name in _RESULTS),
    ]
    return [resource(org, path + end, **methods) for path, methods in found for end in ("", "/")]


def _job(call: Call) -> Job:
    return call.org.bulk.get(call.path["job"])


def _list(call: Call) -> Response:
    with call.org.lock:
        records = [job.as_dict() for job in call.org.bulk.jobs.values()]
    return JSONResponse({"done": True, "records": records, "nextRecordsUrl": None})


def _create(call: Call) -> Response:
    body = call.json_object()
    if body.get("operation") != "upsert":
        raise RequestError(400, "INVALIDJOB", "InvalidJob : the sandbox runs upsert jobs only")
    if body.get("contentType", "CSV") != "CSV" or body.get("columnDelimiter", "COMMA") != "COMMA":
        raise RequestError(400, "INVALIDJOB", "InvalidJob : the sandbox reads CSV with commas only")
    if not body.get("externalIdFieldName"):
        raise RequestError(400, "INVALIDJOB", "InvalidJob : External ID was blank for upsert")
    with call.org.lock:
        schema = call.org.schema(str(body.get("object")))
        key = call.org.external_id(schema, str(body["externalIdFieldName"]))
        ending = str(body.get("lineEnding", "LF"))
        return JSONResponse(call.org.bulk.create(schema, key, call.version, ending, call.org.user_id).as_dict())


def _info(call: Call) -> Response:
    org = call.org
    with org.lock:
        job = _job(call)
        schema = org.schema(job.object)
        org.bulk.work(job, schema, lambda records: org.upsert(job.object, job.key, records))
        return JSONResponse(job.as_dict())


def _change(call: Call) -> Response:
    state = call.json_object().get("state")
    with call.org.lock:
        job = _job(call)
        if state == "UploadComplete":
            call.org.bulk.close(job, call.org.schema(job.object))
        elif state == "Aborted":
            call.org.bulk.abort(job)
        else:
            raise RequestError(400, "INVALIDJOBSTATE", f"InvalidJobState : {state} cannot be set")
        return JSONResponse(job.as_dict())


def _delete(call: Call) -> Response:
    with call.org.lock:
        job = _job(call)
        if job.state not in TERMINAL | {"UploadComplete"}:
            raise RequestError(400, "INVALIDJOBSTATE", f"InvalidJobState : Job is in state {job.state}")
        del call.org.bulk.jobs[job.id]
    return Response(status_code=204)


def _upload(call: Call) -> Response:
    kind = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/csv":
        raise RequestError(415, "UNSUPPORTED_MEDIA_TYPE", f"Content type {kind or 'missing'} is not supported")
    with call.org.lock:
        call.org.bulk.upload(_job(call), call.body)
    return Response(status_code=201)


def _result(name: str) -> Resource:
    def serve(call: Call) -> Response:
        with call.org.lock:
            job = _job(call)
            if call.version != job.version:
                raise RequestError(409, "CONFLICT", f"The job was made with API version {job.version}")
            body = job.result(name).encode()
        headers = {"content-type": "text/csv"}
        if "gzip" in call.request.headers.get("accept-encoding", ""):
            body, headers["content-encoding"] = gzip.compress(body, 1), "gzip"
        return Response(body, headers=headers)

    return serve
