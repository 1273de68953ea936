"""The query resources: a first batch, and the next one by locator."""

from __future__ import annotations

from starlette.responses import Response

from connector.sandbox.kit.routes import Table, json_response
from connector.sandbox.org.call import Call
from connector.sandbox.org.errors import refused


def _first(call: Call, *, include_deleted: bool) -> Response:
    soql = call.query.get("q")
    if not soql:
        raise refused("MALFORMED_QUERY", "A query string has to be specified")
    page = call.house.query(soql, version=call.version, batch=_batch(call), include_deleted=include_deleted)
    return json_response(page.as_dict(call.version))


def _more(call: Call) -> Response:
    page = call.house.query_more(call.path["locator"], version=call.version, batch=_batch(call))
    return json_response(page.as_dict(call.version))


def _batch(call: Call) -> int:
    """``Sforce-Query-Options: batchSize=n``, held to 200–2,000 (docs/facts/salesforce.md section 5)."""
    for option in call.request.headers.get("sforce-query-options", "").split(","):
        name, _, value = option.partition("=")
        if name.strip().lower() == "batchsize" and value.strip().isdigit():
            return min(2000, max(200, int(value)))
    return 2000


QUERY: Table[Call] = {
    "/query[/]": {"GET": lambda call: _first(call, include_deleted=False)},
    "/queryAll[/]": {"GET": lambda call: _first(call, include_deleted=True)},
    "/query/{locator}": {"GET": _more},
    "/queryAll/{locator}": {"GET": _more},
}
