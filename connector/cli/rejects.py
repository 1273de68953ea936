"""`learnsync rejects`: what could not be used on the way in, or was refused on the way out."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import Any

from connector.absorb.pull import pull_lock
from connector.cli.console import out
from connector.cli.render import ago, table
from connector.settings import Settings
from connector.times import utc_now
from connector.warehouse import runs
from connector.warehouse.database import Warehouse
from connector.warehouse.load import MODELS, Batch, load_batch, pending_quarantine

PAGE_ROWS = 500
# What another org refused does not concern the one that is pushed to now.
_LAST_ORG = (
    "org_id = (SELECT org_id FROM salesforce.push_ledger WHERE tenant_id = $tenant_id"
    " ORDER BY last_sent_at DESC LIMIT 1)"
)
_LAST_API = (
    "destination = (SELECT destination FROM ops.learning_record_ledger WHERE tenant_id = $tenant_id"
    " ORDER BY last_sent_at DESC LIMIT 1)"
)
_REFUSED = f"""
    SELECT target_object, external_id, state, error_code, error_text, attempts, last_sent_at
    FROM salesforce.push_ledger
    WHERE tenant_id = $tenant_id AND state IN ('rejected', 'deferred') AND {_LAST_ORG}
    UNION ALL
    SELECT 'LearningRecord', record_id, state, error_code, error_text, attempts, last_sent_at
    FROM ops.learning_record_ledger
    WHERE tenant_id = $tenant_id AND state IN ('rejected', 'deferred') AND {_LAST_API}
"""


@dataclass(slots=True)
class RetryReport:
    """What a retry did."""

    loaded: dict[str, int] = field(default_factory=dict)
    still_unfit: int = 0
    pushes_due: int = 0

    @property
    def complete(self) -> bool:
        """True when no source row is left."""
        return not self.still_unfit


def collect(settings: Settings, limit: int) -> dict[str, Any]:
    """Pending source rows and refused pushes, newest first."""
    tenant = settings.tenant_id
    with Warehouse.of(settings).connect() as connection:
        source = connection.execute(
            "SELECT stream, source_id, stage, field, reason, attempts, last_seen, raw FROM ops.quarantine"
            " WHERE tenant_id = ? AND resolved_at IS NULL ORDER BY last_seen DESC, stream, source_id LIMIT ?",
            [tenant, limit],
        )
        names = [column[0] for column in source.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in source.fetchall()]
        refused = connection.execute(
            f"{_REFUSED} ORDER BY last_sent_at DESC, external_id LIMIT $limit", {"tenant_id": tenant, "limit": limit}
        )
        names = [column[0] for column in refused.description or []]
        pushes = [dict(zip(names, row, strict=True)) for row in refused.fetchall()]
        counted = connection.execute(f"SELECT count(*) FROM ({_REFUSED})", {"tenant_id": tenant}).fetchone()
        pending = pending_quarantine(connection, tenant) + (int(counted[0]) if counted else 0)
    return {"pending": pending, "source": rows, "pushes": pushes}


def show(listing: dict[str, Any]) -> None:
    """Print both lists."""
    if not listing["pending"]:
        out.print("Nothing is waiting for a fix.")
        return
    if listing["source"]:
        made = table("Source rows in quarantine", "stream", "id", "field", "reason", "tries", "last seen")
        for row in listing["source"]:
            made.add_row(
                row["stream"],
                row["source_id"],
                row["field"] or "–",
                row["reason"],
                str(row["attempts"]),
                ago(row["last_seen"]),
            )
        out.print(made)
    if listing["pushes"]:
        made = table("Pushes refused", "object", "external id", "state", "code", "text", "tries")
        for row in listing["pushes"]:
            made.add_row(
                row["target_object"],
                row["external_id"],
                row["state"],
                row["error_code"],
                row["error_text"],
                str(row["attempts"]),
            )
        out.print(made)
    out.print(f"{listing['pending']:,} in all. `learnsync rejects retry` tries them again.")


def retry(settings: Settings) -> RetryReport:
    """Load quarantined rows again as they were received; mark refused pushes as due."""
    report = RetryReport()
    warehouse = Warehouse.of(settings)
    run_id = runs.begin(warehouse, settings.tenant_id, "rejects retry")
    folder = settings.warehouse.landing / run_id
    # A pull that starts meanwhile would clear the landing folder.
    with pull_lock(settings, run_id):
        folder.mkdir(parents=True, exist_ok=True)
        for stream in MODELS:
            report.loaded[stream] = _reload(settings, warehouse, stream, run_id)
        shutil.rmtree(folder, ignore_errors=True)
    with warehouse.transaction() as connection:
        for ledger in ("salesforce.push_ledger", "ops.learning_record_ledger"):
            due = connection.execute(
                f"UPDATE {ledger} SET state = 'deferred' WHERE tenant_id = ? AND state = 'rejected'",
                [settings.tenant_id],
            ).fetchone()
            report.pushes_due += int(due[0]) if due else 0
        report.still_unfit = pending_quarantine(connection, settings.tenant_id, "load")
    runs.finish(warehouse, run_id, "complete" if report.complete else "incomplete")
    return report


def _reload(settings: Settings, warehouse: Warehouse, stream: str, run_id: str) -> int:
    with warehouse.connect() as connection:
        rows = connection.execute(
            "SELECT raw FROM ops.quarantine"
            " WHERE tenant_id = ? AND stream = ? AND stage = 'load' AND resolved_at IS NULL",
            [settings.tenant_id, stream],
        ).fetchall()
    if not rows:
        return 0
    batch = Batch(stream)
    for number, start in enumerate(range(0, len(rows), PAGE_ROWS), 1):
        path = settings.warehouse.landing / run_id / f"{number:010d}.json"
        part = [json.loads(raw) for (raw,) in rows[start : start + PAGE_ROWS]]
        path.write_text(json.dumps({MODELS[stream].collection: part}), "utf-8")
        batch.files.append(path)
    counts = load_batch(warehouse, batch, tenant_id=settings.tenant_id, run_id=run_id, now=utc_now())
    return counts.read - counts.quarantined


def show_retry(report: RetryReport) -> None:
    """Print what a retry did."""
    loaded = sum(report.loaded.values())
    out.print(f"{loaded:,} row(s) fit now and are loaded, {report.still_unfit:,} still do not fit.")
    out.print(f"{report.pushes_due:,} refused push(es) are due again: run `learnsync push`.")


def clear(settings: Settings) -> int:
    """Settle all quarantined rows; returns how many."""
    with Warehouse.of(settings).transaction() as connection:
        settled = connection.execute(
            "UPDATE ops.quarantine SET resolved_at = ? WHERE tenant_id = ? AND resolved_at IS NULL",
            [utc_now(), settings.tenant_id],
        ).fetchone()
    return int(settled[0]) if settled else 0
