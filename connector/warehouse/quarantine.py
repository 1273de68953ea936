"""ops.quarantine: rows that cannot be used, whole, with the field at fault and the reason."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from connector.streams.rows import AbsorbRow
from connector.warehouse.database import Connection, Stamp, count
from connector.warehouse.statements import rows_param, statements

sql = statements(__package__)


@dataclass(frozen=True, slots=True)
class Reject:
    """A source row that cannot be used, as it goes to ops.quarantine."""

    source_id: str
    raw: str
    field: str | None
    reason: str


def explain_unfit(model: type[AbsorbRow], raw: str | None) -> Reject:
    """Ask pydantic why a row does not fit: the first field at fault and all reasons."""
    text = raw if raw is not None else "null"
    row = json.loads(text)
    row_id = row.get("id") if isinstance(row, dict) else None
    source_id = str(row_id).lower() if row_id else hashlib.sha256(text.encode()).hexdigest()
    try:
        model.model_validate(row)
    except ValidationError as failure:
        errors = failure.errors(include_url=False, include_input=False)
        reasons = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'row'} {e['msg']}" for e in errors)
        field_name = ".".join(map(str, errors[0]["loc"])) or None
        return Reject(source_id, text, field_name, reasons)
    return Reject(source_id, text, None, "does not fit the column types")


def unreadable(text: bytes, row_id: object, why: str, place: str = "") -> Reject:
    """A row whose JSON cannot be read: kept as received, as one JSON string, with bytes that are no UTF-8 as `\\xff`.

    `place` tells rows without an id apart whose text is the same.
    """
    raw = json.dumps(text.decode("utf-8", "backslashreplace"))
    named = isinstance(row_id, str) and row_id
    source_id = str(row_id).lower() if named else hashlib.sha256(place.encode() + text).hexdigest()
    return Reject(source_id, raw, None, f"cannot be read as JSON: {why}")


def put_rejects(connection: Connection, stream: str, rejects: Sequence[Reject], stamp: Stamp) -> None:
    """Add or refresh rows that could not be loaded. Call inside the transaction of the load."""
    if rejects:
        # A batch may hold the same unfit row twice; the last reading counts.
        latest = {reject.source_id: reject for reject in rejects}
        put = {"rejects": rows_param(latest.values()), "stage": "load", "run_id": stamp.run_id}
        values = {"tenant_id": stamp.tenant_id, "stream": stream, "seen_at": stamp.now}
        connection.execute(sql("quarantine_put"), values | put)


def resolve_rejects(connection: Connection, stream: str, stamp: Stamp) -> None:
    """Settle rows whose latest reading fits: the load's staging table, in whose transaction this is called, says so."""
    values = {"tenant_id": stamp.tenant_id, "stream": stream, "seen_at": stamp.now}
    connection.execute(sql("quarantine_resolve"), values)


def pending_quarantine(connection: Connection, tenant_id: str, stage: str | None = None) -> int:
    """How many quarantined rows wait for a fix; of one stage (load or map), or of both."""
    return count(connection, sql("quarantine_pending"), {"tenant_id": tenant_id, "stage": stage})
