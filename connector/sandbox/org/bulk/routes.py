"""Bulk API 2.0 ingest resources of the sandbox org, ``/jobs/ingest`` (docs/facts/salesforce.md section 3a)."""

import gzip
from collections.abc import Callable

from starlette.responses import Response

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.routes import Table, json_response
from connector.sandbox.org.bulk.jobs import TERMINAL, Job
from connector.sandbox.org.call import Call
from connector.sandbox.org.errors import refused

# The last one is documented in lower case; clients also ask for it in camel case, and orgs serve them.
_RESULTS = ("successfulResults", "failedResults", "unprocessedrecords", "unprocessedRecords")


def _job(call: Call) -> Job:
    return call.house.bulk.get(call.path["job"])


def _list(call: Call) -> Response:
    records = [job.as_dict() for job in call.house.bulk.jobs.values()]
    return json_response({"done": True, "records": records, "nextRecordsUrl": None})


def _create(call: Call) -> Response:
    body = call.json_object()
    if body.get("operation") != "upsert":
        raise refused("INVALIDJOB", "InvalidJob : the sandbox runs upsert jobs only")
    if body.get("contentType", "CSV") != "CSV" or body.get("columnDelimiter", "COMMA") != "COMMA":
        raise refused("INVALIDJOB", "InvalidJob : the sandbox reads CSV with commas only")
    if not body.get("externalIdFieldName"):
        raise refused("INVALIDJOB", "InvalidJob : External ID was blank for upsert")
    schema = call.house.schema(str(body.get("object")))
    key = call.house.external_id(schema, str(body["externalIdFieldName"]))
    ending = str(body.get("lineEnding", "LF"))
    return json_response(call.house.bulk.create(schema, key, call.version, ending, call.house.user_id).as_dict())


def _info(call: Call) -> Response:
    org = call.house
    job = _job(call)
    schema = org.schema(job.object)
    org.bulk.work(job, schema, lambda records: org.upsert(job.object, job.key, records))
    return json_response(job.as_dict())


def _change(call: Call) -> Response:
    state = call.json_object().get("state")
    job = _job(call)
    if state == "UploadComplete":
        call.house.bulk.close(job, call.house.schema(job.object))
    elif state == "Aborted":
        call.house.bulk.abort(job)
    else:
        raise refused("INVALIDJOBSTATE", f"InvalidJobState : {state} cannot be set")
    return json_response(job.as_dict())


def _delete(call: Call) -> Response:
    job = _job(call)
    if job.state not in TERMINAL | {"UploadComplete"}:
        raise refused("INVALIDJOBSTATE", f"InvalidJobState : Job is in state {job.state}")
    del call.house.bulk.jobs[job.id]
    return Response(status_code=204)


def _upload(call: Call) -> Response:
    call.expect_type("text/csv")
    call.house.bulk.upload(_job(call), call.body)
    return Response(status_code=201)


def _result(name: str) -> Callable[[Call], Response]:
    def serve(call: Call) -> Response:
        job = _job(call)
        if call.version != job.version:
            raise Refusal(409, "CONFLICT", f"The job was made with API version {job.version}")
        body = job.result(name).encode()
        headers = {"content-type": "text/csv"}
        if "gzip" in call.request.headers.get("accept-encoding", ""):
            body, headers["content-encoding"] = gzip.compress(body, 1), "gzip"
        return Response(body, headers=headers)

    return serve


BULK: Table[Call] = {
    "/jobs/ingest[/]": {"GET": _list, "POST": _create},
    "/jobs/ingest/{job}[/]": {"GET": _info, "PATCH": _change, "DELETE": _delete},
    "/jobs/ingest/{job}/batches[/]": {"PUT": _upload},
    **{f"/jobs/ingest/{{job}}/{name}[/]": {"GET": _result(name)} for name in _RESULTS},
}
