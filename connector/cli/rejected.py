"""Finds, retries and settles what was rejected: source rows in quarantine, and pushes that a target refused."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connector.absorb.pull.pull import pull_lock
from connector.cli.tables import records, sql
from connector.settings import Settings
from connector.streams import MODELS
from connector.sync import stage
from connector.times import utc_now
from connector.warehouse.database import Connection, Stamp, Warehouse, count
from connector.warehouse.load import Batch, load_batch

PAGE_ROWS = 500
SOURCE, PUSHES = "rejects_source", "rejects_pushes"
_PUSH_COLUMNS = "target_object, external_id, state, error_code, error_text, attempts, last_sent_at"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rejects are meant; an empty list is any. Streams mean source rows only, objects and codes pushes only."""

    streams: Sequence[str] = ()
    objects: Sequence[str] = ()
    codes: Sequence[str] = ()
    ids: Sequence[str] = ()

    def values(self, tenant_id: str, query: str) -> dict[str, Any]:
        """Parameters of a query: those that it names, because DuckDB refuses others."""
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


@dataclass(frozen=True, slots=True)
class _Query:
    """Queries over the rejects that a filter means."""

    settings: Settings
    chosen: Filter

    def rows(self, connection: Connection, name: str, columns: str, rest: str = "") -> list[dict[str, Any]]:
        query = f"SELECT {columns} FROM ({sql(name)}) {rest}"
        return records(connection, query, self.chosen.values(self.settings.tenant_id, query))

    def count(self, connection: Connection, name: str, rest: str = "") -> int:
        return int(self.rows(connection, name, "count(*) AS n", rest)[0]["n"])


def collect(settings: Settings, limit: int, chosen: Filter | None = None) -> dict[str, Any]:
    """Pending source rows and refused pushes, newest first; `pending` counts all that are meant, listed or not."""
    query = _Query(settings, chosen or Filter())
    newest_source = f"ORDER BY last_seen DESC, stream, source_id LIMIT {limit:d}"
    newest_pushes = f"ORDER BY last_sent_at DESC, external_id LIMIT {limit:d}"
    with Warehouse.of(settings).connect() as connection:
        return {
            "pending": query.count(connection, SOURCE) + query.count(connection, PUSHES),
            "source": query.rows(connection, SOURCE, "*", newest_source),
            "pushes": query.rows(connection, PUSHES, _PUSH_COLUMNS, newest_pushes),
        }


def retry(settings: Settings, chosen: Filter | None = None) -> RetryReport:
    """Load quarantined rows again as they were received; mark refused pushes as due. Raises WarehouseLockedError."""
    query = _Query(settings, chosen or Filter())
    return stage(settings, "rejects retry", lambda run_id, _: _retry(query, run_id))


def _retry(query: _Query, run_id: str) -> RetryReport:
    report, settings = RetryReport(), query.settings
    # A pull that starts meanwhile would clear the landing folder.
    with pull_lock(settings, run_id):
        for stream in MODELS:
            report.loaded[stream] = _reload(query, stream, run_id)
        shutil.rmtree(settings.warehouse.landing / run_id, ignore_errors=True)
    with Warehouse.of(settings).transaction() as connection:
        report.pushes_due = _mark_due(query, connection)
        report.still_unfit = query.count(connection, SOURCE, "WHERE stage = 'load'")
    return report


def _mark_due(query: _Query, connection: Connection) -> int:
    update = sql("rejects_due", pushes=sql(PUSHES))
    return count(connection, update, query.chosen.values(query.settings.tenant_id, update))


def _reload(query: _Query, stream: str, run_id: str) -> int:
    """Land the stream's quarantined rows as a pull lands pages, and load them; returns how many fit now."""
    settings = query.settings
    warehouse = Warehouse.of(settings)
    folder = settings.warehouse.landing / run_id / stream
    folder.mkdir(parents=True)
    with warehouse.connect() as connection:
        files = list(_land(query, connection, stream, folder))
    if not files:
        return 0
    stamp, note_due = Stamp(settings.tenant_id, run_id, utc_now()), bool(settings.absorb.detail_streams)
    counts = load_batch(warehouse, Batch(stream, files=files), stamp, note_due=note_due)
    return counts.read - counts.quarantined


def _land(query: _Query, connection: Connection, stream: str, folder: Path) -> Iterator[Path]:
    statement = f"SELECT raw FROM ({sql(SOURCE)}) WHERE stage = 'load' AND stream = $stream"
    values = query.chosen.values(query.settings.tenant_id, statement)
    waiting = connection.execute(statement, {**values, "stream": stream})
    number = 0
    while rows := waiting.fetchmany(PAGE_ROWS):
        number += 1
        path = folder / f"{number:010d}.json"
        path.write_text(json.dumps({MODELS[stream].collection: [json.loads(raw) for (raw,) in rows]}), "utf-8")
        yield path


def clear(settings: Settings) -> int:
    """Settle all quarantined rows; returns how many."""
    with Warehouse.of(settings).transaction() as connection:
        settle = "UPDATE ops.quarantine SET resolved_at = ? WHERE tenant_id = ? AND resolved_at IS NULL"
        return count(connection, settle, [utc_now(), settings.tenant_id])
