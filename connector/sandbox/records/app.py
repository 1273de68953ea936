"""The LearningRecord API over HTTP: list, get and create, with state (docs/facts/learning-records.md).

What the page leaves open is chosen here as such APIs usually do it: a bearer key, pages by cursor, filters by equality
of any field, errors as ``{"error": {"code", "message", "details"}}``. What it says is kept: the server gives out ids
and stamps, lists leave deleted records out, and there is no update and no delete.
"""

import base64
import math
import secrets
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from connector.sandbox.kit.errors import Refusal
from connector.sandbox.kit.instants import utc_now
from connector.sandbox.kit.oauth import authorization, same
from connector.sandbox.kit.routes import Call, Door, Table, json_response

PATH = "/api/v1/performance/learning-records"
SOURCE_TYPES = ("frontend", "backend", "server", "system", "api")
DEFAULT_LIMIT, MAX_LIMIT = 50, 200
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TEXTS = ("source", "title", "provider", "certification_ref")
_IDS = ("person_id", "linked_cohort_id", "linked_assessment_id")
_TIMES = ("completed_at", "expires_at")
WRITABLE = (*_TEXTS, *_IDS, *_TIMES, "score", "passed", "source_type")
STAMPED = (
    "id", "tenant_id", "app_id", "created_at", "updated_at", "created_by", "updated_by", "is_deleted", "deleted_at",
    "deleted_by", "schema_version",
)  # fmt: skip
Row = dict[str, Any]


def _refusal(status: int, code: str, message: str, **fields: str) -> Refusal:
    return Refusal(status, code, message, *({"field": name, "message": text} for name, text in fields.items()))


def _shape(refusal: Refusal) -> dict[str, Any]:
    return {"error": {"code": refusal.code, "message": refusal.message, "details": list(refusal.details)}}


class Records:
    """The records of one tenant, in order of their ids."""

    def __init__(self, *, now: Callable[[], datetime] | None = None) -> None:
        self.api_key = "sandbox-learning-records-key"
        self.rows: dict[str, Row] = {}
        self.lock = threading.RLock()
        self.calls: Counter[str] = Counter()
        self._now = now or utc_now

    def create(self, body: Row) -> Row:
        """Stores a record; raises Refusal where the body is not one."""
        given = _check(body)
        with self.lock:
            moment = self._now().astimezone(UTC)
            stamp = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            row: Row = {
                "id": _ulid(moment), "tenant_id": "sandbox", "app_id": "app_sandbox", "created_at": stamp,
                "updated_at": stamp, "created_by": None, "updated_by": None, "source": "edm", "source_type": "api",
                "is_deleted": False, "deleted_at": None, "deleted_by": None, "schema_version": 1,
            }  # fmt: skip
            row |= {name: None for name in WRITABLE if name not in row} | given
            self.rows[row["id"]] = row
            return row

    def page(self, filters: dict[str, str], after: str, limit: int) -> tuple[list[Row], str | None]:
        """Up to ``limit`` live rows after an id, and the id to go on from."""
        with self.lock:
            found = [
                row
                for key, row in sorted(self.rows.items())
                if key > after and not row["is_deleted"] and all(_text(row[k]) == v for k, v in filters.items())
            ]
        rows = found[:limit]
        return rows, rows[-1]["id"] if len(found) > limit else None


def create_records_app(records: Records) -> Starlette:
    """The ASGI application."""
    table: Table[Call[Records]] = {PATH: {"GET": _listing, "POST": _create}, PATH + "/{id}": {"GET": _get}}
    door = Door(
        partial(_admit, records),
        _shape,
        other_method=lambda method, _: _refusal(405, "method_not_allowed", f"{method} is not offered"),
        lock=records.lock,
    )
    return Starlette(routes=door.routes(table))


def _admit(records: Records, request: Request, body: bytes, _path: str) -> Call[Records]:
    records.calls[request.method] += 1
    scheme, key = authorization(request)
    if scheme != "bearer" or not same(key, records.api_key):
        raise _refusal(401, "unauthorized", "The API key is missing or not valid")
    return Call(records, request, body)


def _listing(call: Call[Records]) -> Response:
    params = dict(call.query)
    limit = _limit(params.pop("limit", str(DEFAULT_LIMIT)))
    after = _after(params.pop("cursor", ""))
    unknown = sorted(set(params) - {*WRITABLE, *STAMPED})
    if unknown:
        raise _refusal(400, "invalid_parameter", f"Unknown query parameter {unknown[0]}")
    rows, last = call.house.page({name: value.lower() for name, value in params.items()}, after, limit)
    cursor = base64.urlsafe_b64encode(last.encode()).decode() if last else None
    return json_response({"items": rows, "next_cursor": cursor})


def _create(call: Call[Records]) -> Response:
    body = call.parsed(lambda fault: _refusal(400, "invalid_json", fault))
    return json_response(call.house.create(body), 201)


def _get(call: Call[Records]) -> Response:
    row = call.house.rows.get(call.path["id"])
    if row is None:
        raise _refusal(404, "not_found", "No such learning record")
    return json_response(row)


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise _refusal(400, "invalid_parameter", f"limit must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _after(cursor: str) -> str:
    try:
        return base64.urlsafe_b64decode(cursor.encode()).decode()
    except ValueError:
        raise _refusal(400, "invalid_parameter", "cursor is not one of ours") from None


def _check(body: Any) -> Row:
    """The values of a create; raises Refusal naming every field at fault."""
    if not isinstance(body, dict):
        raise _refusal(422, "validation_error", "The body must be a JSON object")
    faults = {name: "is assigned by the server" for name in body if name in STAMPED}
    faults |= {name: "is not a field of LearningRecord" for name in body if name not in {*STAMPED, *WRITABLE}}
    for name in WRITABLE:
        fault = _fault(name, body[name]) if body.get(name) is not None else None
        if fault:
            faults[name] = fault
    if faults:
        raise _refusal(422, "validation_error", "The record is not valid", **faults)
    return {name: value for name, value in body.items() if value is not None}


def _fault(name: str, value: Any) -> str | None:
    if name in _IDS:
        return None if _is_uuid(value) else "must be a uuid"
    if name in _TIMES:
        return None if _is_instant(value) else "must be an ISO 8601 instant"
    if name == "score":
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return None if number and 0 <= value <= 100 else "must be a number from 0 to 100"
    if name == "passed":
        return None if isinstance(value, bool) else "must be a boolean"
    if name == "source_type":
        return None if value in SOURCE_TYPES else f"must be one of {', '.join(SOURCE_TYPES)}"
    return None if isinstance(value, str) else "must be a string"


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(uuid.UUID(value))
    except ValueError:
        return False


def _is_instant(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _text(value: Any) -> str:
    return str(value).lower()


def _ulid(moment: datetime) -> str:
    """``lrn_`` and a ULID: 10 characters of milliseconds, 16 of chance."""
    number = (int(moment.timestamp() * 1000) << 80) | secrets.randbits(80)
    return "lrn_" + "".join(_CROCKFORD[(number >> (5 * place)) & 31] for place in reversed(range(26)))
