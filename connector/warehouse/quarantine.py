"""ops.quarantine: rows that cannot be used, whole, with the field at fault and the reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from connector.streams.rows import AbsorbRow
from connector.warehouse.database import Connection
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
    source_id = (
        str(row["id"]).lower() if isinstance(row, dict) and row.get("id") else hashlib.sha256(text.encode()).hexdigest()
    )
    try:
        model.model_validate(row)
    except ValidationError as failure:
        errors = failure.errors(include_url=False, include_input=False)
        reasons = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'row'} {e['msg']}" for e in errors)
        field_name = ".".join(map(str, errors[0]["loc"])) or None
        return Reject(source_id, text, field_name, reasons)
    return Reject(source_id, text, None, "does not fit the column types")


def put_rejects(
    connection: Connection, rejects: Sequence[Reject], *, stream: str, tenant_id: str, run_id: str, now: datetime
) -> None:
    """Add or refresh rows that could not be loaded. Call inside a transaction."""
    if rejects:
        # A batch may hold the same unfit row twice; the last reading counts.
        latest = {reject.source_id: reject for reject in rejects}
        values = {
            "rejects": rows_param(latest.values()), "tenant_id": tenant_id, "stream": stream, "stage": "load",
            "seen_at": now, "run_id": run_id,
        }  # fmt: skip
        connection.execute(sql("quarantine_put"), values)


def resolve_staged(connection: Connection, *, stream: str, tenant_id: str, now: datetime) -> None:
    """Settle the quarantine of rows that fit now, by the staging table of a load. Call inside its transaction."""
    connection.execute(sql("quarantine_resolve"), {"tenant_id": tenant_id, "stream": stream, "seen_at": now})


def pending_quarantine(connection: Connection, tenant_id: str, stage: str | None = None) -> int:
    """How many quarantined rows wait for a fix; of one stage (load or map), or of both."""
    found = connection.execute(sql("quarantine_pending"), {"tenant_id": tenant_id, "stage": stage}).fetchone()
    return int(found[0]) if found else 0
