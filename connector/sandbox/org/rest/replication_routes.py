"""The getUpdated and getDeleted resources of the sandbox org; the rules are in ``replication``."""

from __future__ import annotations

from starlette.responses import Response

from connector.sandbox.kit.instants import org_text
from connector.sandbox.kit.routes import Table, json_response
from connector.sandbox.org.call import Call
from connector.sandbox.org.rest.replication import DELETED_DAYS, UPDATED_DAYS
from connector.sandbox.org.rows.table import Table as Records


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


REPLICATION: Table[Call] = {
    "/sobjects/{object}/updated[/]": {"GET": _updated},
    "/sobjects/{object}/deleted[/]": {"GET": _deleted},
}
