"""The getUpdated and getDeleted resources of the sandbox org; the rules are in `org_replication`."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.sandbox.org.call import Call, resource
from connector.sandbox.org.errors import RequestError
from connector.sandbox.org.org import Org
from connector.sandbox.org.rest.replication import DELETED_DAYS, UPDATED_DAYS
from connector.sandbox.org.rows.table import Table
from connector.sandbox.org.rows.values import format_datetime


def replication_resources(org: Org) -> list[Route]:
    """Both resources, with and without the slash at the end."""
    return [
        resource(org, f"/sobjects/{{object}}/{name}{slash}", GET=function)
        for name, function in (("updated", _updated), ("deleted", _deleted))
        for slash in ("", "/")
    ]


def _updated(call: Call) -> Response:
    with call.org.lock:
        table, (start, end) = _asked(call, UPDATED_DAYS)
        ids = [row["Id"] for row in table.rows.values() if start <= row["SystemModstamp"] < end]
        covered = call.org.replication.covered(end)
        return JSONResponse({"ids": call.org.replication.capped(ids), "latestDateCovered": covered})


def _deleted(call: Call) -> Response:
    with call.org.lock:
        table, (start, end) = _asked(call, DELETED_DAYS)
        log_from = format_datetime(call.org.replication.earliest())
        found = {key: at for key, at in table.deletions().items() if max(start, log_from) <= at < end}
        records = [{"id": key, "deletedDate": found[key]} for key in call.org.replication.capped(found)]
        covered = call.org.replication.covered(end)
        return JSONResponse(
            {"deletedRecords": records, "earliestDateAvailable": log_from, "latestDateCovered": covered}
        )


def _asked(call: Call, days: int) -> tuple[Table, tuple[str, str]]:
    table = call.org.table(call.path["object"])
    if float(call.version) < table.schema.since:
        raise RequestError(404, "NOT_FOUND", "The requested resource does not exist")
    values = call.request.query_params
    return table, call.org.replication.window(values.get("start"), values.get("end"), days)
