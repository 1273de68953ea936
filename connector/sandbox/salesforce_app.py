"""The sandbox org over HTTP: OAuth, REST, query and bulk resources, plus control endpoints under ``/_sandbox/``.

``create_salesforce_app`` joins lists of routes; another API family is one more function
that returns such a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from .org import Org
from .org_api import NEWEST, OLDEST, Call, open_route, resource
from .org_bulk import bulk_routes
from .org_errors import RequestError
from .org_learnings import learning_routes
from .org_oauth import oauth_routes
from .org_query import Page
from .org_rest import sobject_routes

_NAMES = {"sobjects": "sobjects", "query": "query", "queryAll": "queryAll", "limits": "limits", "jobs": "jobs"}


def create_salesforce_app(org: Org, extra_routes: Sequence[BaseRoute] = ()) -> Starlette:
    """The ASGI application that serves one org."""
    routes: list[BaseRoute] = [
        *oauth_routes(org),
        *_service_routes(org),
        *sobject_routes(org),
        *_query_routes(org),
        *bulk_routes(org),
        *learning_routes(org),
        *extra_routes,
        *_control_routes(org),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error, RequestError: _refused})


def _service_routes(org: Org) -> list[Route]:
    def versions(_request: Request, _body: bytes) -> Response:
        listed = [
            {"label": f"v{number}.0", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
            for number in range(OLDEST, NEWEST + 1)
        ]
        return JSONResponse(listed)

    return [
        open_route("/services/data", versions),
        open_route("/services/data/", versions),
        resource(org, "", GET=_resources),
        resource(org, "/", GET=_resources),
        resource(org, "/limits", GET=_limits),
        resource(org, "/limits/", GET=_limits),
    ]


def _resources(call: Call) -> Response:
    return JSONResponse({name: f"/services/data/v{call.version}/{path}" for name, path in _NAMES.items()})


def _limits(call: Call) -> Response:
    sessions = call.org.sessions
    daily = {"Max": sessions.api_max, "Remaining": max(0, sessions.api_max - sessions.api_used)}
    return JSONResponse(
        {
            "DailyApiRequests": daily,
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
            "DailyBulkV2QueryFileStorageMB": {"Max": 976_562, "Remaining": 976_562},
        }
    )


def _query_routes(org: Org) -> list[Route]:
    return [
        resource(org, "/query", GET=_query),
        resource(org, "/query/", GET=_query),
        resource(org, "/queryAll", GET=_query_all),
        resource(org, "/queryAll/", GET=_query_all),
        resource(org, "/query/{locator}", GET=_query_more),
        resource(org, "/queryAll/{locator}", GET=_query_more),
    ]


def _query(call: Call) -> Response:
    return _first_page(call, include_deleted=False)


def _query_all(call: Call) -> Response:
    return _first_page(call, include_deleted=True)


def _first_page(call: Call, *, include_deleted: bool) -> Response:
    soql = call.request.query_params.get("q")
    if not soql:
        raise RequestError(400, "MALFORMED_QUERY", "A query string has to be specified")
    page = call.org.query(soql, version=call.version, batch=_batch(call), include_deleted=include_deleted)
    return _page(call, page)


def _query_more(call: Call) -> Response:
    return _page(call, call.org.query_more(call.path["locator"], version=call.version, batch=_batch(call)))


def _page(call: Call, page: Page) -> Response:
    return JSONResponse(page.as_dict(call.version))


def _batch(call: Call) -> int:
    """``Sforce-Query-Options: batchSize=n``, held to 200–2,000 (docs/facts/salesforce.md section 5)."""
    for option in call.request.headers.get("sforce-query-options", "").split(","):
        name, _, value = option.partition("=")
        if name.strip().lower() == "batchsize" and value.strip().isdigit():
            return min(2000, max(200, int(value)))
    return 2000


def _control_routes(org: Org) -> list[Route]:
    def state(_request: Request, _body: bytes) -> Response:
        with org.lock:
            calls: dict[str, Any] = {"used": org.sessions.api_used, "max": org.sessions.api_max}
            calls["by_resource"] = dict(org.calls)
            return JSONResponse({"records": org.record_counts(), "writes": org.write_counts, "calls": calls})

    def records(request: Request, _body: bytes) -> Response:
        try:
            return JSONResponse(org.records(request.path_params["object"]))
        except RequestError as refusal:
            return JSONResponse(refusal.as_list(), status_code=refusal.status)

    def session(request: Request, _body: bytes) -> Response:
        try:
            return JSONResponse({"access_token": org.session_of(request.path_params["user"])})
        except RequestError as refusal:
            return JSONResponse(refusal.as_list(), status_code=refusal.status)

    return [
        open_route("/_sandbox/org", state),
        open_route("/_sandbox/records/{object}", records),
        # Somebody else of the org, to see what becomes of their edits.
        open_route("/_sandbox/session/{user}", session, ["POST"]),
    ]


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code, message = "NOT_FOUND", "The requested resource does not exist"
    if status == 405:
        code, message = "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed"
    return JSONResponse([{"message": message, "errorCode": code}], status_code=status)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return JSONResponse(error.as_list(), status_code=error.status)
