"""One batch of landed pages into absorb.<stream>: stage, split, merge, quarantine, watermarks; one commit.

DuckDB parses and casts; pydantic is asked only about rows that do not fit, to say why.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import duckdb

from connector.errors import ProtocolError
from connector.settings import variable
from connector.streams import MODELS
from connector.streams.rows import AbsorbRow
from connector.warehouse import changed, drift, fields, shapes
from connector.warehouse.apply import listed
from connector.warehouse.database import Connection, Stamp, Warehouse, committed
from connector.warehouse.quarantine import Reject, explain_unfit, put_rejects, resolve_rejects
from connector.warehouse.schema import data_columns, json_structure, typed_select
from connector.warehouse.shapes import Shapes
from connector.warehouse.statements import literal, rows_param, statements
from connector.warehouse.strays import resolve_strays, set_aside
from connector.warehouse.watermarks import ResumePoint, Watermark, put_resume_points, put_watermarks

sql = statements(__package__)

DEFAULT_OBJECT_SIZE = 16 * 1024 * 1024


@dataclass(slots=True)
class LoadCounts:
    """What a load did to the rows it read."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    quarantined: int = 0
    returned: int = 0  # of those updated: rows that had been marked removed

    @property
    def unchanged(self) -> int:
        """Rows that were read and already stood in the warehouse (or came twice)."""
        return self.read - self.inserted - self.updated - self.quarantined

    def add(self, other: Self) -> None:
        """Sum in place."""
        self.read += other.read
        self.inserted += other.inserted
        self.updated += other.updated
        self.quarantined += other.quarantined
        self.returned += other.returned


@dataclass(slots=True)
class Batch:
    """Landed pages of one stream, and what they claim: watermarks of finished lists, resume points of the others.

    `rejects` are rows that came with the pages and are not in them, since they cannot be read.
    `tombstones` are ids of courses that answered 404; those are gone that a run before `begun_at` (else: before this
    load) had met so already. `observed` is false for rows that were received another day: they say nothing of what the
    portal serves now.
    """

    stream: str
    files: list[Path] = field(default_factory=list)
    rows: int = 0  # of the files, as counted when they came; 0 where nobody counted
    rejects: list[Reject] = field(default_factory=list)
    watermarks: list[Watermark] = field(default_factory=list)
    tombstones: list[str] = field(default_factory=list)
    resume_points: dict[str, ResumePoint] = field(default_factory=dict)
    begun_at: datetime | None = None
    observed: bool = True
    largest: int = 0  # bytes of the largest page; 0 where no file holds more than one


@dataclass(slots=True)
class Staged:
    """What the staging tables hold of a batch: how many rows, which fields nobody knew, and what the rows carry."""

    counts: LoadCounts = field(default_factory=LoadCounts)
    fresh: list[str] = field(default_factory=list)
    shapes: Shapes = field(default_factory=lambda: Shapes({}, {}))


def load_batch(warehouse: Warehouse, batch: Batch, stamp: Stamp, *, note_due: bool = False) -> LoadCounts:
    """Load the batch in one transaction: rows and the watermarks that cover them become visible together.

    `note_due`: what lies inside new and changed enrollments is to be read; ops.details_due says so from then on.
    """
    with warehouse.connect() as connection:
        # Staging tables are temporary: no transaction is open while they are filled.
        staged = _stage(connection, batch, stamp.tenant_id)
        with committed(connection):
            _apply(connection, batch, staged, stamp)
            if note_due and batch.files and batch.stream == "enrollments":
                connection.execute(sql("details_due_note"), {"tenant_id": stamp.tenant_id, "noted_at": stamp.now})
    return staged.counts


def load_together(
    warehouse: Warehouse, batches: Sequence[Batch], settle: Callable[[Connection], None], stamp: Stamp
) -> dict[str, LoadCounts]:
    """Load batches of several streams, then `settle`, all in one transaction."""
    counts = {}
    with warehouse.transaction() as connection:
        for batch in batches:
            # Staging table by staging table: each batch replaces that of the batch before.
            staged = _stage(connection, batch, stamp.tenant_id)
            _apply(connection, batch, staged, stamp)
            counts[batch.stream] = staged.counts
        settle(connection)
    return counts


def _apply(connection: Connection, batch: Batch, staged: Staged, stamp: Stamp) -> None:
    """Write what is staged and what the batch claims. Call inside a transaction."""
    if batch.files:
        strays = _merge(connection, batch, staged, stamp)
        put_rejects(connection, batch.stream, _unfit(connection, batch) if staged.counts.quarantined else [], stamp)
        resolve_rejects(connection, batch.stream, stamp)
        resolve_strays(connection, batch.stream, stamp)
        put_rejects(connection, batch.stream, strays, stamp)
        staged.counts.quarantined += len(strays)
    # Last, since of two readings of one row in a batch the one that cannot be read must not go unseen.
    put_rejects(connection, batch.stream, batch.rejects, stamp)
    staged.counts.add(LoadCounts(read=len(batch.rejects), quarantined=len(batch.rejects)))
    drift.record(connection, batch.stream, staged.fresh, stamp)
    tenant = {"tenant_id": stamp.tenant_id}
    if batch.tombstones:
        missing = {"ids": rows_param(batch.tombstones), "now": stamp.now}
        connection.execute(sql("courses_missing_note"), stamp.names | missing)
        _mark_courses(connection, "courses_tombstone", tenant | missing | {"begun_at": batch.begun_at or stamp.now})
    finished = [mark.scope_id for mark in batch.watermarks]
    if finished and batch.stream == "enrollments":
        # A course whose list was read to its end is not gone (any more).
        _mark_courses(connection, "courses_revive", tenant | {"scopes": rows_param(finished)})
        connection.execute(sql("courses_found"), tenant | {"scopes": rows_param(finished)})
    put_watermarks(connection, batch.watermarks, stamp)
    put_resume_points(connection, batch.stream, batch.resume_points, finished, stamp)


def _mark_courses(connection: Connection, statement: str, values: Mapping[str, Any]) -> None:
    marked = connection.execute(sql(statement), values).fetchall()
    changed.note_ids(connection, values["tenant_id"], "courses", (course_id for (course_id,) in marked))


def _stage(connection: Connection, batch: Batch, tenant_id: str) -> Staged:
    """Stage the batch."""
    if not batch.files:
        return Staged()
    model = MODELS[batch.stream]
    drifted = drift.read(connection, tenant_id, batch.stream)
    try:
        _stage_typed(connection, batch, drifted)
    except duckdb.InvalidInputException as failure:
        raise _odd_pages(batch, str(failure).splitlines()[0].rstrip(" .")) from None
    found = shapes.read(connection, _landed_rows(batch), _files(batch))
    fresh = drift.unknown(model, found.names(), drifted)
    if fresh:
        _stage_typed(connection, batch, [*drifted, *fresh])
    connection.execute(sql("stage_latest", columns=", ".join(data_columns(model))))
    [(read, unfit)] = connection.execute("SELECT count(*), count(*) FILTER (WHERE _unfit) FROM staged_all").fetchall()
    if batch.rows and batch.rows != read:
        raise _odd_pages(batch, f"they hold {read:,} rows, and {batch.rows:,} were counted when they came")
    return Staged(LoadCounts(read=read, quarantined=unfit), fresh, found)


def _odd_pages(batch: Batch, why: str) -> ProtocolError:
    """Two readers of the same page disagree: nothing of it is loaded, since a row could be missed in silence."""
    return ProtocolError(
        f"Pages of {batch.stream} cannot be loaded: {why}.",
        remedy=f"Set {variable('warehouse', 'keep_landing')}=true, run again, and look at the pages in the landing"
        " folder beside the warehouse.",
    )


def _stage_typed(connection: Connection, batch: Batch, drifted: Sequence[str]) -> None:
    model = MODELS[batch.stream]
    values, unfit = typed_select(model)
    typed = sql(
        "stage_typed",
        values=values,
        extra=drift.extra_sql(drifted),
        unfit=unfit or "false",
        structure=literal(json_structure(model)),
        landed_rows=_landed_rows(batch),
    )
    connection.execute(typed, _files(batch))


def _landed_rows(batch: Batch) -> str:
    # Twice the largest page: DuckDB's buffer must hold a whole page, and its default is enough for most.
    largest = max(DEFAULT_OBJECT_SIZE, 2 * (batch.largest or max(path.stat().st_size for path in batch.files)))
    return sql("landed_rows", collection=MODELS[batch.stream].collection, largest=str(largest))


def _files(batch: Batch) -> dict[str, list[str]]:
    return {"files": [str(path) for path in batch.files]}


def _merge(connection: Connection, batch: Batch, staged: Staged, stamp: Stamp) -> list[Reject]:
    """Merge what is staged; returns the rows that may not be, though they fit."""
    model, tenant = MODELS[batch.stream], {"tenant_id": stamp.tenant_id}
    columns = data_columns(model)
    connection.execute(sql("stored", stream=batch.stream, columns=", ".join(columns)), tenant)
    strays = set_aside(connection, model, _landed_rows(batch), _files(batch))
    before = fields.known(connection, model)
    fields.fill_absent(connection, model, staged.shapes, before)
    connection.execute(sql("delta", stored=listed(columns, "stored."), staged=listed(columns, "staged.")))
    if batch.observed:
        fields.record(connection, model, staged.shapes, before, stamp)
    _write_delta(connection, model, staged.counts, stamp)
    changed.note_delta(connection, stamp.tenant_id, batch.stream)
    return strays


def _write_delta(connection: Connection, model: type[AbsorbRow], counts: LoadCounts, stamp: Stamp) -> None:
    columns, values = data_columns(model), {**stamp.names, "loaded_at": stamp.now}
    [(new, returned, total)] = connection.execute(sql("delta_counts")).fetchall()
    if new:
        connection.execute(sql("merge_new", stream=model.stream, columns=", ".join(columns)), values)
    if total > new:
        assignments = ", ".join(f"{name} = staged.{name}" for name in columns if name != "id")
        connection.execute(sql("merge_changed", stream=model.stream, assignments=assignments), values)
    counts.inserted, counts.updated, counts.returned = new, total - new, returned


def _unfit(connection: Connection, batch: Batch) -> list[Reject]:
    """Read the few rows that do not fit once more, whole, and ask pydantic why."""
    rows = connection.execute(sql("unfit_rows", landed_rows=_landed_rows(batch)), _files(batch)).fetchall()
    return [explain_unfit(MODELS[batch.stream], raw) for (raw,) in rows]
