"""The sandbox org over HTTP: OAuth, REST, query and bulk resources, plus control endpoints under ``/_sandbox/``.

Another API family is one more table of ``RESOURCES``.
"""

from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.sandbox.kit import routes
from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.routes import Table, application, json_response, open_door
from connector.sandbox.org.bulk.routes import BULK
from connector.sandbox.org.call import NEWEST, OLDEST, PREFIX, Call, door
from connector.sandbox.org.errors import not_found, org_shape, refused
from connector.sandbox.org.hooks import HookedOrg
from connector.sandbox.org.learnings.routes import LEARNINGS
from connector.sandbox.org.oauth import oauth_routes
from connector.sandbox.org.rest.sobjects import SOBJECTS

_NAMES = ("sobjects", "query", "queryAll", "limits", "jobs")


def create_salesforce_app(org: HookedOrg) -> Starlette:
    """The ASGI application that serves one org."""
    served = [*oauth_routes(org), *_open_routes(org), *door(org).routes(RESOURCES, PREFIX)]
    return application(served, _unknown, org_shape)


def _limits(call: Call) -> Response:
    sessions = call.house.sessions
    daily = {"Max": sessions.api_max, "Remaining": max(0, sessions.api_max - sessions.api_used)}
    return json_response(
        {
            "DailyApiRequests": daily,
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
        }
    )


def _query(call: Call, *, include_deleted: bool) -> Response:
    soql = call.query.get("q")
    if not soql:
        raise refused("MALFORMED_QUERY", "A query string has to be specified")
    page = call.house.query(soql, version=call.version, batch=_query_batch(call), include_deleted=include_deleted)
    return json_response(page.as_dict(call.version))


def _query_more(call: Call) -> Response:
    page = call.house.query_more(call.path["locator"], version=call.version, batch=_query_batch(call))
    return json_response(page.as_dict(call.version))


def _query_batch(call: Call) -> int:
    """``Sforce-Query-Options: batchSize=n``, held to 200–2,000 (docs/facts/salesforce.md section 5)."""
    for option in call.request.headers.get("sforce-query-options", "").split(","):
        name, _, value = option.partition("=")
        if name.strip().lower() == "batchsize" and value.strip().isdigit():
            return min(2000, max(200, int(value)))
    return 2000


RESOURCES: Table[Call] = {
    "[/]": {"GET": lambda call: json_response({name: f"/services/data/v{call.version}/{name}" for name in _NAMES})},
    "/limits[/]": {"GET": _limits},
    **SOBJECTS,
    "/query[/]": {"GET": lambda call: _query(call, include_deleted=False)},
    "/queryAll[/]": {"GET": lambda call: _query(call, include_deleted=True)},
    "/query/{locator}": {"GET": _query_more},
    "/queryAll/{locator}": {"GET": _query_more},
    **BULK,
    **LEARNINGS,
}


def _open_routes(org: HookedOrg) -> list[Route]:
    """What needs no session: the list of versions, and the control endpoints."""
    return open_door(org, org_shape, org.lock).routes(
        {
            "/services/data[/]": {"GET": _versions},
            "/_sandbox/org": {"GET": _state},
            "/_sandbox/records/{object}": {"GET": lambda call: json_response(call.house.records(call.path["object"]))},
            "/_sandbox/refuse": {"POST": _refuse},
            "/_sandbox/hide": {"POST": _hide},
            # Somebody else of the org, to see what becomes of their edits.
            "/_sandbox/session/{user}": {
                "POST": lambda call: json_response({"access_token": call.house.session_of(call.path["user"])})
            },
        }
    )


def _refuse(call: routes.Call[HookedOrg]) -> Response:
    """`{"share": 1, "code": "FIELD_CUSTOM_VALIDATION_EXCEPTION"}`: that share of all records is refused; 0 ends it."""
    body = call.parsed(partial(refused, "JSON_PARSER_ERROR"))
    share, code = body.get("share", 1), body.get("code", "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    if not isinstance(share, int | float) or not isinstance(code, str):
        raise refused("JSON_PARSER_ERROR", "share must be a number, and code text")
    if share:
        call.house.fail_share(float(share), code)
    else:
        call.house.forgive()
    return json_response({"share": share, "code": code})


def _hide(call: routes.Call[HookedOrg]) -> Response:
    """`{"object": "LMS_Enrollment__c", "field": "Progress_Rule__c"}`: the org has the field no more."""
    body = call.parsed(partial(refused, "JSON_PARSER_ERROR"))
    name, field = str(body.get("object")), str(body.get("field"))
    if field.lower() not in call.house.table(name).schema.fields:
        raise refused("INVALID_FIELD", f"{name} has no field {field}", field)
    call.house.remove_field(name, field)
    return json_response({"object": name, "field": field})


def _versions(_call: routes.Call[HookedOrg]) -> Response:
    listed = [
        {"label": f"v{number}.0", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        for number in range(OLDEST, NEWEST + 1)
    ]
    return json_response(listed)


def _state(call: routes.Call[HookedOrg]) -> Response:
    org = call.house
    calls = {"used": org.sessions.api_used, "max": org.sessions.api_max, "by_resource": dict(org.calls)}
    return json_response({"records": org.record_counts(), "writes": org.write_counts, "calls": calls})


def _unknown(request: Request, status: int) -> Refusal:
    if status == 405:
        return Refusal(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed")
    found = not_found()
    return Refusal(status, found.code, found.message)
