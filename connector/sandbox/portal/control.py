"""Sandbox-only endpoints under ``/_sandbox/``: look at the portal's state and change it.

No portal has them; only the demo, the tests and people trying the sandbox call them.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.sandbox.portal.errors import json_response
from connector.sandbox.portal.gateway import Gateway
from connector.sandbox.portal.schema import STREAMS
from connector.sandbox.portal.state import Portal


def control_routes(portal: Portal, gateway: Gateway) -> list[Route]:
    """The routes, bound to one portal."""

    async def state(_request: Request) -> Response:
        counts = {name: portal.count(name) for name in STREAMS}
        requests = dict(sorted(gateway.requests.items()))
        return json_response({"counts": counts, "requests": requests, "tokens_minted": gateway.tokens_minted})

    async def change(body: dict[str, Any]) -> Response:
        acts: dict[str, Callable[[int], list[str]]] = {
            "edits": portal.edit,
            "inserts": portal.insert,
            # Last, so they may also hit what was just edited or added, as in real life.
            "deletes": portal.delete,
        }
        if not set(body) <= set(acts) or not all(isinstance(number, int) for number in body.values()):
            return json_response({"message": f"expected whole numbers for {', '.join(acts)}"}, 400)
        return json_response({name: act(body.get(name, 0)) for name, act in acts.items()})

    async def put_rows(body: dict[str, Any]) -> Response:
        stream = str(body.get("stream", "enrollments"))
        if stream not in STREAMS:
            return json_response({"message": f"stream must be one of {', '.join(STREAMS)}"}, 400)
        rows = body.get("rows")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return json_response({"message": "rows must be an array of objects"}, 400)
        for row in rows:
            portal.put_row(stream, row, course_id=body.get("course_id"))
        return json_response({"stream": stream, "put": len(rows)})

    return [
        Route("/_sandbox/state", state, methods=["GET"]),
        Route("/_sandbox/change", _with_body(change), methods=["POST"]),
        Route("/_sandbox/rows", _with_body(put_rows), methods=["POST"]),
    ]


def _with_body(
    act: Callable[[dict[str, Any]], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            body = json.loads(await request.body())
        except ValueError as error:
            return json_response({"message": str(error)}, 400)
        if not isinstance(body, dict):
            return json_response({"message": "the body must be a JSON object"}, 400)
        return await act(body)

    return endpoint
