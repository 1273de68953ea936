"""ops.runs: who ran what, when, and how it ended."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connector.times import utc_now
from connector.warehouse.database import Warehouse

INTERRUPTED = "the process ended before the run did (killed, or the machine stopped)"


def new_run_id(now: datetime | None = None) -> str:
    """A run id that sorts by time."""
    return f"{(now or utc_now()):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def begin(warehouse: Warehouse, tenant_id: str, command: str) -> str:
    """Record that a run began; returns its id."""
    run_id = new_run_id()
    with warehouse.transaction() as connection:
        connection.execute(
            "INSERT INTO ops.runs (run_id, tenant_id, command, started_at) VALUES (?, ?, ?, ?)",
            [run_id, tenant_id, command, utc_now()],
        )
    return run_id


def mark_interrupted(warehouse: Warehouse, tenant_id: str, command: str, run_id: str) -> None:
    """End earlier runs of a command that are still open. Only for a caller whose lock shows that none is alive."""
    with warehouse.transaction() as connection:
        connection.execute(
            "UPDATE ops.runs SET finished_at = ?, outcome = 'interrupted', message = ?"
            " WHERE tenant_id = ? AND command = ? AND run_id <> ? AND finished_at IS NULL",
            [utc_now(), INTERRUPTED, tenant_id, command, run_id],
        )


def finish(
    warehouse: Warehouse, run_id: str, outcome: str, message: str = "", stats: Mapping[str, Any] | None = None
) -> None:
    """Record how it ended: complete, incomplete or failed."""
    with warehouse.transaction() as connection:
        connection.execute(
            "UPDATE ops.runs SET finished_at = ?, outcome = ?, message = ?, stats = ? WHERE run_id = ?",
            [utc_now(), outcome, message or None, json.dumps(stats or {}, default=str), run_id],
        )
