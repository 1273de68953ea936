"""Warehouse → learning_record and learning_item_progress: what changed is computed, and only differences are written.

A row is computed when its enrollment, learner, course, details or match changed (ops.changed), or when its time has
come (ops.next_changes). All rows are, in parts, where the maps or settings that decide them are others than at the last
build, where that was of a later instant, and where a table does not have the rows that it should have.

A status that changes leaves a row in learning_item_progress_history, in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import mappings
from connector.canonical import load_maps
from connector.canonical.built import inputs, last_build, note_build, note_made_by, stands
from connector.canonical.due import PROGRESS, RECORD, Plan, all_parts, changed_parts, settle
from connector.canonical.rows import Rows
from connector.settings import Settings
from connector.times import utc_now
from connector.warehouse import changed, runs
from connector.warehouse.apply import TableCounts
from connector.warehouse.database import Connection, Warehouse, committed, count
from connector.warehouse.quarantine import pending_quarantine
from connector.warehouse.runs import Closing
from connector.warehouse.statements import statements

sql = statements(__package__)

TABLES = (RECORD, PROGRESS)


@dataclass(slots=True)
class BuildReport:
    """What a build did; `unmapped` counts enrollments whose status no map knows.

    `computed` counts the enrollments that it looked at, `moves` changes of status ("OnTrack → Overdue").
    `scores_out_of_range` counts scores outside 0–100, which are null in learning_record; a warning.
    """

    tables: dict[str, TableCounts] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    moves: dict[str, int] = field(default_factory=dict)
    computed: int = 0
    unmapped: int = 0
    scores_out_of_range: int = 0
    as_of: datetime | None = None

    @property
    def complete(self) -> bool:
        """True when every enrollment has a place."""
        return self.unmapped == 0


def build(settings: Settings, run_id: str, tables: Sequence[str] = TABLES, close: Closing | None = None) -> BuildReport:
    """Bring the canonical tables, or one of them, up to date in one transaction. Idempotent. Raises MappingError."""
    maps = load_maps(settings)
    report = BuildReport(as_of=settings.as_of())
    with Warehouse.of(settings).connect() as connection:
        with committed(connection):
            runs.note_begun(connection, run_id)
            connection.execute(maps.sql("macros"))
            assert report.as_of is not None
            rows = Rows(connection, settings, maps, tables, report.as_of, run_id, utc_now())
            _compute(rows)
            report.tables, report.moves, report.computed = rows.counts, rows.moves_by_number(), rows.computed
            _count(connection, settings, report, tables)
        if close:
            close(connection, report)
    return report


def progress_at(connection: Connection, settings: Settings, maps: mappings.Mapping, as_of: datetime) -> None:
    """Fill the temp table `computed` with learning_item_progress as it is at an instant; writes nothing else."""
    connection.execute(maps.sql("macros"))
    values = {"tenant_id": settings.tenant_id, "timezone": settings.mapping.timezone, "as_of": as_of}
    connection.execute(maps.sql("learning_item_progress"), values)


def _compute(rows: Rows) -> None:
    """What is due; then everything, where a table does not have as many rows as there are enrollments for it."""
    connection, settings, tables = rows.connection, rows.settings, rows.tables
    plan = _plan(rows)
    rows.compute(plan)
    if not rows.whole() and not plan.everything:
        rows.compute(all_parts(connection))
        rows.whole()
    if PROGRESS in tables:
        note_build(connection, settings, rows.as_of)
    for table in tables:
        note_made_by(connection, settings.tenant_id, table, inputs(settings, rows.maps, table))
    settle(connection, settings.tenant_id, tables)


def _plan(rows: Rows) -> Plan:
    connection, settings, tables = rows.connection, rows.settings, rows.tables
    if not all(map(rows.maps.is_packaged, tables)):
        return Plan(True, ["true"])  # what a map of one's own reads is not known
    everything = changed.due(connection, settings.tenant_id, changed.BUILD, *tables).everything
    for table in tables:
        made_by = inputs(settings, rows.maps, table)
        everything = everything or not stands(connection, settings.tenant_id, table, made_by)
    if PROGRESS in tables:
        last = last_build(connection, settings).as_of
        everything = everything or last is None or rows.as_of < last
    return all_parts(connection) if everything else changed_parts(connection, settings, tables, rows.as_of)


def _count(connection: Connection, settings: Settings, report: BuildReport, tables: Sequence[str]) -> None:
    """The totals of the tables, whatever was computed."""
    tenant = {"tenant_id": settings.tenant_id}
    if RECORD in tables:
        report.scores_out_of_range = count(connection, sql("scores_out_of_range"), tenant)
    if PROGRESS in tables:
        report.unmapped = pending_quarantine(connection, settings.tenant_id, "map")
        report.statuses = dict(connection.execute(sql("enrollments_by_status"), tenant).fetchall())
