"""Warehouse → learning_record and learning_item_progress: every row evaluated, only differences written."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import mappings
from connector.canonical.maps import load_maps
from connector.settings import Settings
from connector.times import utc_now
from connector.warehouse import runs
from connector.warehouse.apply import TableCounts, apply_computed
from connector.warehouse.database import Connection, Warehouse, committed
from connector.warehouse.quarantine import pending_quarantine
from connector.warehouse.runs import Closing
from connector.warehouse.statements import statements

sql = statements(__package__)


TABLES = ("learning_record", "learning_item_progress")


@dataclass(slots=True)
class BuildReport:
    """What a build did; `unmapped` counts enrollments whose status no map knows."""

    tables: dict[str, TableCounts] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    unmapped: int = 0
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
                build_learning_record(connection, settings, maps, report)
            if "learning_item_progress" in tables:
                build_learning_item_progress(connection, settings, maps, report, run_id)
        if close:
            close(connection, report)
    return report


def build_learning_record(
    connection: Connection, settings: Settings, maps: mappings.Mapping, report: BuildReport
) -> None:
    """Fill learning_record; `updated_at` moves only when another column does."""
    connection.execute(maps.sql("learning_record"), {"tenant_id": settings.tenant_id, "provider": settings.provider})
    stamps = {"created_at": False, "updated_at": True}
    report.tables["learning_record"] = apply_computed(
        connection, "computed", "learning_record", "id", settings.tenant_id, stamps=stamps
    )


def build_learning_item_progress(
    connection: Connection, settings: Settings, maps: mappings.Mapping, report: BuildReport, run_id: str
) -> None:
    """Fill learning_item_progress, its owners and items from the match tables; quarantine what no rule decides."""
    values = {"tenant_id": settings.tenant_id, "timezone": settings.mapping.timezone, "as_of": report.as_of}
    connection.execute(maps.sql("learning_item_progress"), values)
    report.tables["learning_item_progress"] = apply_computed(
        connection, "computed", "learning_item_progress", "enrollment_id", settings.tenant_id
    )
    known = ", ".join(map(str, maps.statuses))
    seen = {"tenant_id": settings.tenant_id, "run_id": run_id, "seen_at": utc_now()}
    _quarantine_unmapped(connection, known, seen)
    report.unmapped = pending_quarantine(connection, settings.tenant_id, "map")
    counted = connection.execute(sql("enrollments_by_status"), {"tenant_id": settings.tenant_id})
    report.statuses = dict(counted.fetchall())


def _quarantine_unmapped(connection: Connection, known: str, seen: dict[str, Any]) -> None:
    connection.execute(sql("unmapped_put", known_statuses=known), seen)
    connection.execute(sql("unmapped_resolve"), {"tenant_id": seen["tenant_id"], "seen_at": seen["seen_at"]})
