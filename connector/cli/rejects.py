"""`learnsync rejects`: what could not be used on the way in, or was refused on the way out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rich.markup import escape

from connector.absorb.pull.pull import pull_lock
from connector.cli.console import out
from connector.cli.render import ago, table
from connector.settings import Settings
from connector.sync import stage
from connector.times import utc_now
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.load import MODELS, Batch, load_batch

PAGE_ROWS = 500
_SOURCE = """
    FROM ops.quarantine
    WHERE tenant_id = $tenant_id AND resolved_at IS NULL AND NOT $only_pushes
      AND (len($streams) = 0 OR list_contains($streams, stream))
      AND (len($ids) = 0 OR list_contains($ids, source_id))
"""
# What another org refused does not concern the one that is pushed to now.
_REFUSED = """
    FROM (
      SELECT tenant_id, org_id AS place, target_object, external_id, state, error_code, error_text, attempts,
        last_sent_at
      FROM salesforce.push_ledger
      WHERE org_id = (
        SELECT org_id FROM salesforce.push_ledger WHERE tenant_id = $tenant_id ORDER BY last_sent_at DESC LIMIT 1
      )
      UNION ALL
      SELECT tenant_id, destination, 'LearningRecord', record_id, state, error_code, error_text, attempts, last_sent_at
      FROM ops.learning_record_ledger
      WHERE destination = (
        SELECT destination FROM ops.learning_record_ledger WHERE tenant_id = $tenant_id
        ORDER BY last_sent_at DESC LIMIT 1
      )
    )
    WHERE tenant_id = $tenant_id AND state IN ('rejected', 'deferred') AND NOT $only_source
      AND (len($objects) = 0 OR list_contains($objects, target_object))
      AND (len($codes) = 0 OR list_contains($codes, error_code))
      AND (len($ids) = 0 OR list_contains($ids, external_id))
"""
_DUE_AGAIN = {
    "salesforce.push_ledger": "(tenant_id, org_id, target_object, external_id)",
    "ops.learning_record_ledger": "(tenant_id, destination, 'LearningRecord', record_id)",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rejects are meant; an empty list is any. Streams mean source rows only, objects and codes pushes only."""

    streams: Sequence[str] = ()
    objects: Sequence[str] = ()
    codes: Sequence[str] = ()
    ids: Sequence[str] = ()

    def values(self, tenant_id: str, query: str) -> dict[str, Any]:
        """Parameters of a query, those that it names."""
        known = {
            "tenant_id": tenant_id, "streams": list(self.streams), "objects": list(self.objects),
            "codes": list(self.codes), "ids": list(self.ids), "only_source": bool(self.streams),
            "only_pushes": bool(self.objects or self.codes),
        }  # fmt: skip
        return {name: value for name, value in known.items() if f"${name}" in query}


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


def collect(settings: Settings, limit: int, chosen: Filter | None = None) -> dict[str, Any]:
    """Pending source rows and refused pushes, newest first; `pending` counts all that are meant, listed or not."""
    found = partial(_rows, settings, chosen or Filter())
    with Warehouse.of(settings).connect() as connection:
        source = found(
            connection,
            f"SELECT stream, source_id, stage, field, reason, attempts, last_seen, raw {_SOURCE}"
            f" ORDER BY last_seen DESC, stream, source_id LIMIT {limit:d}",
        )
        pushes = found(
            connection,
            f"SELECT target_object, external_id, state, error_code, error_text, attempts, last_sent_at {_REFUSED}"
            f" ORDER BY last_sent_at DESC, external_id LIMIT {limit:d}",
        )
        counts = [found(connection, f"SELECT count(*) AS n {part}")[0]["n"] for part in (_SOURCE, _REFUSED)]
    return {"pending": sum(counts), "source": source, "pushes": pushes}


def _rows(settings: Settings, chosen: Filter, connection: Connection, query: str) -> list[dict[str, Any]]:
    result = connection.execute(query, chosen.values(settings.tenant_id, query))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


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
                escape(row["source_id"]),
                row["field"] or "–",
                escape(row["reason"] or ""),
                str(row["attempts"]),
                ago(row["last_seen"]),
            )
        out.print(made)
    if listing["pushes"]:
        made = table("Pushes refused", "object", "external id", "state", "code", "text", "tries")
        for row in listing["pushes"]:
            made.add_row(
                row["target_object"],
                escape(row["external_id"]),
                row["state"],
                row["error_code"],
                escape(row["error_text"] or ""),
                str(row["attempts"]),
            )
        out.print(made)
    out.print(f"{listing['pending']:,} in all. `learnsync rejects retry` tries them again.")


def retry(settings: Settings, chosen: Filter | None = None) -> RetryReport:
    """Load quarantined rows again as they were received; mark refused pushes as due."""
    return stage(settings, "rejects retry", lambda run_id, _: _retry(settings, chosen or Filter(), run_id))


def _retry(settings: Settings, chosen: Filter, run_id: str) -> RetryReport:
    report = RetryReport()
    warehouse = Warehouse.of(settings)
    folder = settings.warehouse.landing / run_id
    # A pull that starts meanwhile would clear the landing folder.
    with pull_lock(settings, run_id):
        folder.mkdir(parents=True, exist_ok=True)
        for stream in MODELS:
            report.loaded[stream] = _reload(settings, warehouse, stream, run_id, chosen)
        shutil.rmtree(folder, ignore_errors=True)
    with warehouse.transaction() as connection:
        for ledger, key in _DUE_AGAIN.items():
            update = (
                f"UPDATE {ledger} SET state = 'deferred' WHERE state = 'rejected'"
                f" AND {key} IN (SELECT (tenant_id, place, target_object, external_id) {_REFUSED})"
            )
            due = connection.execute(update, chosen.values(settings.tenant_id, update)).fetchone()
            report.pushes_due += int(due[0]) if due else 0
        unfit = f"SELECT count(*) AS n {_SOURCE} AND stage = 'load'"
        report.still_unfit = _rows(settings, chosen, connection, unfit)[0]["n"]
    return report


def _reload(settings: Settings, warehouse: Warehouse, stream: str, run_id: str, chosen: Filter) -> int:
    batch = Batch(stream)
    folder = settings.warehouse.landing / run_id / stream
    folder.mkdir()
    with warehouse.connect() as connection:
        query = f"SELECT raw {_SOURCE} AND stage = 'load' AND stream = $stream"
        waiting = connection.execute(query, {**chosen.values(settings.tenant_id, query), "stream": stream})
        while rows := waiting.fetchmany(PAGE_ROWS):
            path = folder / f"{len(batch.files) + 1:010d}.json"
            path.write_text(json.dumps({MODELS[stream].collection: [json.loads(raw) for (raw,) in rows]}), "utf-8")
            batch.files.append(path)
    if not batch.files:
        return 0
    counts = load_batch(
        warehouse,
        batch,
        tenant_id=settings.tenant_id,
        run_id=run_id,
        now=utc_now(),
        note_due=bool(settings.absorb.detail_streams),
    )
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
