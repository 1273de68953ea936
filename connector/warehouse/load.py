"""One batch of landed pages into absorb.<stream>: stage, split, merge, quarantine, watermarks; one commit.

DuckDB parses and casts; pydantic is asked only about rows that do not fit, to say why.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from connector.streams.details import DETAIL_STREAMS
from connector.streams.rows import STREAMS, AbsorbRow
from connector.warehouse import drift
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.schema import data_columns, json_structure, typed_select
from connector.warehouse.statements import rows_param, statements

sql = statements(__package__)

MODELS = STREAMS | DETAIL_STREAMS
DEFAULT_OBJECT_SIZE = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Watermark:
    """A list that was read to its end: `watermark` covers it, None when nothing may be claimed."""

    stream: str
    scope_id: str
    watermark: datetime | None
    rows: int
    completed_at: datetime


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """An unfinished walk: every row edited up to `key` is loaded (None: nothing may be claimed any more)."""

    scope_id: str
    key: datetime | None
    ceiling: datetime


@dataclass(slots=True)
class LoadCounts:
    """What a load did to the rows it read."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    quarantined: int = 0

    @property
    def unchanged(self) -> int:
        """Rows that were read and already stood in the warehouse (or came twice)."""
        return self.read - self.inserted - self.updated - self.quarantined

    def add(self, other: LoadCounts) -> None:
        """Sum in place."""
        self.read += other.read
        self.inserted += other.inserted
        self.updated += other.updated
        self.quarantined += other.quarantined


@dataclass(frozen=True, slots=True)
class Reject:
    """A source row that cannot be used, as it goes to ops.quarantine."""

    source_id: str
    raw: str
    field: str | None
    reason: str


@dataclass(slots=True)
class Batch:
    """Landed pages of one stream and the watermarks that they complete."""

    stream: str
    files: list[Path] = field(default_factory=list)
    rows: int = 0
    watermarks: list[Watermark] = field(default_factory=list)
    tombstones: list[str] = field(default_factory=list)
    resume_points: dict[str, ResumePoint] = field(default_factory=dict)


def load_batch(
    warehouse: Warehouse, batch: Batch, *, tenant_id: str, run_id: str, now: datetime, note_due: bool = False
) -> LoadCounts:
    """Load the batch in one transaction: rows and the watermarks that cover them become visible together.

    `note_due`: what lies inside new and changed enrollments is to be read; ops.details_due says so from then on.
    """
    counts = LoadCounts()
    fresh: list[str] = []
    with warehouse.connect() as connection:
        if batch.files:
            counts, fresh = _stage(connection, batch, tenant_id)
        connection.execute("BEGIN")
        try:
            _apply(connection, batch, counts, fresh, tenant_id=tenant_id, run_id=run_id, now=now)
            if note_due and batch.files and batch.stream == "enrollments":
                _run(connection, sql("details_due_note"), tenant_id=tenant_id, noted_at=now)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    return counts


def load_together(
    warehouse: Warehouse,
    batches: Sequence[Batch],
    settle: Callable[[Connection], None],
    *,
    tenant_id: str,
    run_id: str,
    now: datetime,
) -> dict[str, LoadCounts]:
    """Load batches of several streams, then `settle`, all in one transaction."""
    counts = {}
    with warehouse.transaction() as connection:
        for batch in batches:
            # Staging table by staging table: each batch replaces that of the batch before.
            counts[batch.stream], fresh = _stage(connection, batch, tenant_id)
            _apply(connection, batch, counts[batch.stream], fresh, tenant_id=tenant_id, run_id=run_id, now=now)
        settle(connection)
    return counts


def _apply(
    connection: Connection,
    batch: Batch,
    counts: LoadCounts,
    fresh: list[str],
    *,
    tenant_id: str,
    run_id: str,
    now: datetime,
) -> None:
    """Write what is staged and what the batch claims. Call inside a transaction."""
    names = {"tenant_id": tenant_id, "run_id": run_id}
    if batch.files:
        _merge(connection, batch.stream, counts, {**names, "loaded_at": now})
        if counts.quarantined:
            _quarantine_unfit(connection, batch, tenant_id, run_id, now)
        _run(
            connection,
            sql("quarantine_resolve"),
            tenant_id=tenant_id,
            stream=batch.stream,
            seen_at=now,
        )
    drift.record(connection, tenant_id, batch.stream, fresh, run_id=run_id, now=now)
    _tombstone_courses(connection, batch.tombstones, tenant_id, now)
    _revive_courses(connection, batch, tenant_id)
    put_watermarks(connection, batch.watermarks, **names)
    _put_resume_points(connection, batch, **names)


def _run(connection: Connection, statement: str, **values: Any) -> Connection:
    return connection.execute(statement, values)


def _stage(connection: Connection, batch: Batch, tenant_id: str) -> tuple[LoadCounts, list[str]]:
    """Stage the batch; returns its counts and the fields in it that nobody knew."""
    model = MODELS[batch.stream]
    drifted = drift.read(connection, tenant_id, batch.stream)
    _stage_typed(connection, batch, drifted)
    shapes, keys = _new_keys(connection, batch, drifted)
    fresh = drift.unknown(model, keys, drifted)
    if not fresh:
        # Only now: while a field is fresh, the next load must meet it again if this one fails.
        drift.known_shapes(batch.stream, drifted).update(shapes)
    else:
        _stage_typed(connection, batch, [*drifted, *fresh])
    connection.execute(sql("stage_latest", columns=", ".join(data_columns(model))))
    read, unfit_rows = _one(connection, "SELECT count(*), count(*) FILTER (WHERE _unfit) FROM staged_all")
    return LoadCounts(read=read, quarantined=unfit_rows), fresh


def _stage_typed(connection: Connection, batch: Batch, drifted: Sequence[str]) -> None:
    model = MODELS[batch.stream]
    values, unfit = typed_select(model)
    typed = sql(
        "stage_typed",
        values=values,
        extra=drift.extra_sql(drifted),
        unfit=unfit or "false",
        structure=json_structure(model),
        landed_rows=_landed_rows(batch),
    )
    _run(connection, typed, files=_paths(batch))


def _new_keys(connection: Connection, batch: Batch, drifted: Sequence[str]) -> tuple[set[int], list[str]]:
    """Shapes not met before, and the keys of a row of each; usually none, after the first batch."""
    known = drift.known_shapes(batch.stream, drifted)
    shapes = {row[0] for row in connection.execute("SELECT DISTINCT _shape FROM staged_all").fetchall()}
    if shapes <= known:
        return set(), []
    query = sql("unknown_keys", landed_rows=_landed_rows(batch))
    keys = _run(connection, query, files=_paths(batch), known=json.dumps(sorted(known))).fetchall()
    return shapes - known, [row[0] for row in keys if row[0] is not None]


def _landed_rows(batch: Batch) -> str:
    # Twice the largest page: DuckDB's buffer must hold a whole page, and its default is enough for most.
    largest = max(DEFAULT_OBJECT_SIZE, 2 * max(path.stat().st_size for path in batch.files))
    return sql("landed_rows", collection=MODELS[batch.stream].collection, largest=str(largest))


def _paths(batch: Batch) -> list[str]:
    return [str(path) for path in batch.files]


def _one(connection: Connection, query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(row)


def _merge(connection: Connection, stream: str, counts: LoadCounts, values: dict[str, Any]) -> None:
    columns = data_columns(MODELS[stream])

    def prefixed(table: str) -> str:
        return ", ".join(f"{table}.{name}" for name in columns)

    delta = sql("delta", stream=stream, held=prefixed("held"), staged=prefixed("staged"))
    _run(connection, delta, tenant_id=values["tenant_id"])
    new, total = _one(connection, "SELECT count(*) FILTER (WHERE is_new), count(*) FROM delta")
    if new:
        _run(connection, sql("merge_new", stream=stream, columns=", ".join(columns)), **values)
    if total > new:
        assignments = ", ".join(f"{name} = staged.{name}" for name in columns if name != "id")
        _run(connection, sql("merge_changed", stream=stream, assignments=assignments), **values)
    counts.inserted, counts.updated = new, total - new


def _quarantine_unfit(connection: Connection, batch: Batch, tenant_id: str, run_id: str, now: datetime) -> None:
    """Read the few rows that do not fit once more, whole, and ask pydantic why."""
    rows = _run(connection, sql("unfit_rows", landed_rows=_landed_rows(batch)), files=_paths(batch)).fetchall()
    rejects = [explain_unfit(MODELS[batch.stream], raw) for (raw,) in rows]
    put_quarantine(connection, rejects, stream=batch.stream, stage="load", tenant_id=tenant_id, run_id=run_id, now=now)


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


def put_quarantine(
    connection: Connection,
    rejects: Sequence[Reject],
    *,
    stream: str,
    stage: str,
    tenant_id: str,
    run_id: str,
    now: datetime,
) -> None:
    """Add or refresh quarantined rows. Call inside a transaction."""
    if rejects:
        # A batch may hold the same unfit row twice; the last reading counts.
        latest = {reject.source_id: reject for reject in rejects}
        values = {
            "rejects": rows_param(latest.values()), "tenant_id": tenant_id, "stream": stream, "stage": stage,
            "seen_at": now, "run_id": run_id,
        }  # fmt: skip
        connection.execute(sql("quarantine_put"), values)


def put_watermarks(connection: Connection, marks: Sequence[Watermark], *, tenant_id: str, run_id: str) -> None:
    """Write watermarks. Call inside the transaction that writes the rows they cover."""
    if marks:
        values = {"marks": rows_param(marks), "tenant_id": tenant_id, "run_id": run_id}
        connection.execute(sql("watermark_put"), values)


def _tombstone_courses(connection: Connection, course_ids: Sequence[str], tenant_id: str, now: datetime) -> None:
    for course_id in course_ids:
        connection.execute(
            "UPDATE absorb.courses SET _removed_at = $now"
            " WHERE tenant_id = $tenant_id AND id = $id AND _removed_at IS NULL",
            {"now": now, "tenant_id": tenant_id, "id": course_id},
        )


def _put_resume_points(connection: Connection, batch: Batch, *, tenant_id: str, run_id: str) -> None:
    finished = [mark.scope_id for mark in batch.watermarks]
    under_way = [point for scope, point in batch.resume_points.items() if scope not in finished]
    names = {"tenant_id": tenant_id, "stream": batch.stream}
    if under_way:
        connection.execute(sql("resume_put"), {"marks": rows_param(under_way), "run_id": run_id, **names})
    dropped = finished + [point.scope_id for point in under_way if point.key is None]
    if dropped:
        connection.execute(sql("resume_drop"), {"scopes": rows_param(dropped), **names})


def _revive_courses(connection: Connection, batch: Batch, tenant_id: str) -> None:
    """A course whose list was read to its end is not gone (any more)."""
    if batch.stream == "enrollments" and batch.watermarks:
        scopes = rows_param([mark.scope_id for mark in batch.watermarks])
        connection.execute(sql("courses_revive"), {"tenant_id": tenant_id, "scopes": scopes})


def read_resume_points(connection: Connection, tenant_id: str, stream: str) -> dict[str, ResumePoint]:
    """Scope id → where an unfinished walk can go on."""
    query = 'SELECT scope_id, "key", ceiling FROM ops.resume WHERE tenant_id = $tenant_id AND stream = $stream'
    rows = connection.execute(query, {"tenant_id": tenant_id, "stream": stream}).fetchall()
    return {row[0]: ResumePoint(*row) for row in rows}


def read_watermarks(connection: Connection, tenant_id: str, stream: str) -> dict[str, datetime | None]:
    """Scope id → watermark for one stream."""
    query = "SELECT scope_id, watermark FROM ops.watermarks WHERE tenant_id = $tenant_id AND stream = $stream"
    return dict(connection.execute(query, {"tenant_id": tenant_id, "stream": stream}).fetchall())


def pending_quarantine(connection: Connection, tenant_id: str, stage: str | None = None) -> int:
    """How many quarantined rows wait for a fix."""
    query = (
        "SELECT count(*) FROM ops.quarantine"
        " WHERE tenant_id = $tenant_id AND resolved_at IS NULL AND ($stage IS NULL OR stage = $stage)"
    )
    found = connection.execute(query, {"tenant_id": tenant_id, "stage": stage}).fetchone()
    return int(found[0]) if found else 0
