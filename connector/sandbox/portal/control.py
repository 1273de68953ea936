"""Sandbox-only endpoints under ``/_sandbox/``: look at the portal's state and change it.

No portal has them; only the demo, the tests and people trying the sandbox call them.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from connector.sandbox.kit.routes import json_response, open_door
from connector.sandbox.portal.context import Call, House
from connector.sandbox.portal.errors import gateway_error, portal_shape
from connector.sandbox.portal.gateway import Rival
from connector.sandbox.portal.schema import STREAMS

_refusal = partial(gateway_error, 400)


def control_routes(house: House) -> list[Route]:
    """The routes, bound to one portal."""
    return open_door(house, portal_shape, house.portal.lock).routes(
        {
            "/_sandbox/state": {"GET": _state},
            "/_sandbox/change": {"POST": _change},
            "/_sandbox/rows": {"POST": _put_rows},
            "/_sandbox/rival": {"POST": _rival},
            "/_sandbox/answers": {"POST": _alter},
            "/_sandbox/delete": {"POST": _remove},
            "/_sandbox/restore": {"POST": _restore},
            "/_sandbox/refuse": {"POST": _refuse},
            "/_sandbox/keeps_dates": {"POST": _keep_dates},
        }
    )


def _state(call: Call) -> Response:
    gateway = call.house.gateway
    counts = {name: call.house.portal.count(name) for name in STREAMS}
    requests = dict(sorted(gateway.requests.items()))
    return json_response({"counts": counts, "requests": requests, "tokens_minted": gateway.tokens_minted})


def _change(call: Call) -> Response:
    body, portal = _body(call), call.house.portal
    acts: dict[str, Callable[[int], list[str]]] = {
        "edits": portal.edit,
        "inserts": portal.insert,
        # Last, so they may also hit what was just edited or added, as in real life.
        "deletes": portal.delete,
    }
    if not set(body) <= set(acts) or not all(isinstance(number, int) for number in body.values()):
        raise _refusal(f"expected whole numbers for {', '.join(acts)}")
    return json_response({name: act(body.get(name, 0)) for name, act in acts.items()})


def _keep_dates(call: Call) -> Response:
    """{"keeps_dates": true}: a portal that keeps accessDate and dateDue of a new enrollment."""
    wanted = _body(call).get("keeps_dates")
    if not isinstance(wanted, bool):
        raise _refusal("expected keeps_dates to be true or false")
    call.house.portal.keeps_dates = wanted
    return json_response({"keeps_dates": wanted})


def _put_rows(call: Call) -> Response:
    body = _body(call)
    stream = _stream(body)
    rows = body.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _refusal("rows must be an array of objects")
    for row in rows:
        call.house.portal.put_row(stream, row, course_id=body.get("course_id"))
    return json_response({"stream": stream, "put": len(rows)})


def _rival(call: Call) -> Response:
    """Another client that logs in with the account `times` times, each time after `calls` calls with our token."""
    body = _body(call)
    if not set(body) <= {"times", "calls"} or not all(isinstance(number, int) for number in body.values()):
        raise _refusal("expected whole numbers for times, calls")
    call.house.gateway.rival = Rival(**body)
    return json_response(body)


def _alter(call: Call) -> Response:
    """`{"stream": "enrollments", "leave_out": ["dateDue"], "empty": ["score"]}`: what lists serve from now on."""
    body = _body(call)
    stream = _stream(body)
    named = {act: [str(name) for name in body.get(act, [])] for act in ("leave_out", "empty")}
    if unknown := {name for names in named.values() for name in names} - set(STREAMS[stream].blank):
        raise _refusal(f"{stream} has no field {', '.join(sorted(unknown))}")
    call.house.portal.alter(stream, leave_out=named["leave_out"], empty=named["empty"])
    return json_response({"stream": stream, **named})


def _remove(call: Call) -> Response:
    """{"stream": …, "ids": […]}: the rows vanish; no list tells of it."""
    body = _body(call)
    stream, ids = body.get("stream"), body.get("ids")
    if stream not in STREAMS or not isinstance(ids, list):
        raise _refusal(f"stream must be one of {', '.join(STREAMS)}, and ids an array")
    call.house.portal.remove(str(stream), [str(row_id) for row_id in ids])
    return json_response({"stream": stream, "deleted": len(ids)})


def _restore(call: Call) -> Response:
    """Everything that was deleted is there again, unedited."""
    return json_response({"restored": call.house.portal.restore()})


def _refuse(call: Call) -> Response:
    """{"course_id": …, "times": 1, "status": 404}: so many requests for the course's enrollments answer the status."""
    body = _body(call)
    course_id, times, status = body.get("course_id"), body.get("times", 1), body.get("status", 404)
    if not isinstance(course_id, str) or not all(isinstance(number, int) for number in (times, status)):
        raise _refusal("course_id must be text, times and status whole numbers")
    call.house.portal.refuse(course_id, times, status)
    return json_response({"course_id": course_id, "times": times, "status": status})


def _stream(body: dict[str, Any]) -> str:
    stream = str(body.get("stream", "enrollments"))
    if stream not in STREAMS:
        raise _refusal(f"stream must be one of {', '.join(STREAMS)}")
    return stream


def _body(call: Call) -> dict[str, Any]:
    body = call.parsed(_refusal)
    if not isinstance(body, dict):
        raise _refusal("the body must be a JSON object")
    return body
