"""Warehouse → learning_record and learning_item_progress: every row evaluated, only differences written.

A status that changes leaves a row in learning_item_progress_history, in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import mappings
from connector.canonical import load_maps
from connector.canonical.built import note_build
from connector.settings import Settings
from connector.times import utc_now
from connector.warehouse import changed, runs
from connector.warehouse.apply import TableCounts, apply_computed
from connector.warehouse.database import Connection, Warehouse, committed, count
from connector.warehouse.quarantine import pending_quarantine
from connector.warehouse.runs import Closing
from connector.warehouse.statements import statements

sql = statements(__package__)

TABLES = ("learning_record", "learning_item_progress")


@dataclass(slots=True)
class BuildReport:
    """What a build did; `unmapped` counts enrollments whose status no map knows.

    `moves` counts enrollments by the change of their status, such as "OnTrack → Overdue".
    `scores_out_of_range` counts scores outside 0–100, which are null in learning_record; a warning.
    """

    tables: dict[str, TableCounts] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    moves: dict[str, int] = field(default_factory=dict)
    unmapped: int = 0
    scores_out_of_range: int = 0
    as_of: datetime | None = None

    @property
    def complete(self) -> bool:
        """True when every enrollment has a place."""
        return self.unmapped == 0


def build(settings: Settings, run_id: str, tables: Sequence[str] = TABLES, close: Closing | None = None) -> BuildReport:
    """Recompute the canonical tables, or one of them, in one transaction. Idempotent. Raises MappingError."""
    maps = load_maps(settings)
    report = BuildReport(as_of=settings.as_of())
    with Warehouse.of(settings).connect() as connection:
        with committed(connection):
            runs.note_begun(connection, run_id)
            connection.execute(maps.sql("macros"))
            if "learning_record" in tables:
                report.tables["learning_record"] = _learning_record(connection, settings, maps)
                odd = count(connection, sql("scores_out_of_range"), {"tenant_id": settings.tenant_id})
                report.scores_out_of_range = odd
            if "learning_item_progress" in tables:
                progress = _learning_item_progress(connection, settings, maps, report, run_id)
                report.tables["learning_item_progress"] = progress
        if close:
            close(connection, report)
    return report


def _learning_record(connection: Connection, settings: Settings, maps: mappings.Mapping) -> TableCounts:
    """Fill learning_record; `updated_at` moves only when another column does."""
    tenant_id, stamps = settings.tenant_id, {"created_at": False, "updated_at": True}
    connection.execute(maps.sql("learning_record"), {"tenant_id": tenant_id, "provider": settings.provider})
    counts = apply_computed(connection, "learning_record", "id", tenant_id, stamps=stamps)
    changed.note(connection, tenant_id, "learning_record", "SELECT id FROM changes")
    return counts


def progress_at(connection: Connection, settings: Settings, maps: mappings.Mapping, as_of: datetime) -> None:
    """Fill the temp table `computed` with learning_item_progress as it is at an instant; writes nothing else."""
    connection.execute(maps.sql("macros"))
    values = {"tenant_id": settings.tenant_id, "timezone": settings.mapping.timezone, "as_of": as_of}
    connection.execute(maps.sql("learning_item_progress"), values)


def _learning_item_progress(
    connection: Connection, settings: Settings, maps: mappings.Mapping, report: BuildReport, run_id: str
) -> TableCounts:
    """Fill learning_item_progress, its owners and items from the match tables; quarantine what no rule decides."""
    tenant = {"tenant_id": settings.tenant_id}
    assert report.as_of is not None
    progress_at(connection, settings, maps, report.as_of)
    note_build(connection, settings, report.as_of)
    counts = apply_computed(connection, "learning_item_progress", "enrollment_id", settings.tenant_id)
    changed.note(connection, settings.tenant_id, "learning_item_progress", "SELECT enrollment_id AS id FROM changes")
    report.moves = _history(connection, {**tenant, "as_of": report.as_of})
    seen = {**tenant, "seen_at": utc_now()}
    known = ", ".join(map(str, maps.statuses))
    connection.execute(sql("unmapped_put", known_statuses=known), seen | {"run_id": run_id})
    connection.execute(sql("unmapped_resolve"), seen)
    report.unmapped = pending_quarantine(connection, settings.tenant_id, "map")
    report.statuses = dict(connection.execute(sql("enrollments_by_status"), tenant).fetchall())
    return counts


def _history(connection: Connection, values: dict[str, object]) -> dict[str, int]:
    """Bring learning_item_progress_history up to learning_item_progress at `as_of`; returns the changes of status."""
    tenant = {"tenant_id": values["tenant_id"]}
    moves = dict(connection.execute(sql("history_moves"), tenant).fetchall())
    connection.execute(sql("history_close"), values)
    connection.execute(sql("history_follow"), tenant)
    connection.execute(sql("history_open"), values)
    return moves
