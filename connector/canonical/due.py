"""Which enrollments a build computes: those that changed since the last one, and those whose time has come; or all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.settings import Settings
from connector.warehouse import changed
from connector.warehouse.changed import BUILD
from connector.warehouse.database import Connection, count
from connector.warehouse.statements import statements

sql = statements(__package__)

RECORD, PROGRESS = "learning_record", "learning_item_progress"

# So many enrollments are computed at once: what a build needs of memory does not grow with the table.
PART = 125_000
# A part is compared with the whole table; more parts than this would read it too often.
MOST_PARTS = 8

# The streams that something may be noted of → the query of the enrollments that it means, and the tables that read it.
NOTED: dict[str, tuple[str, tuple[str, ...]]] = {
    "enrollments": ("due_noted", (RECORD, PROGRESS)),
    "users": ("due_of_learners", (PROGRESS,)),
    "salesforce.learner_matches": ("due_of_learners", (PROGRESS,)),
    "courses": ("due_of_courses", (RECORD,)),
    "salesforce.item_matches": ("due_of_courses", (PROGRESS,)),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The parts to compute one after the other, each as a condition on a row `e` of absorb.enrollments."""

    everything: bool
    parts: Sequence[str]


def all_parts(connection: Connection) -> Plan:
    """Every enrollment, in parts by where they are stored."""
    rows = count(connection, "SELECT max(rowid) + 1 FROM absorb.enrollments")
    size = max(PART, -(-rows // MOST_PARTS))
    starts = [*range(0, rows, size)] or [0]
    bounds = [f"e.rowid >= {start} AND e.rowid < {start + size}" for start in starts[:-1]]
    return Plan(True, [*bounds, f"e.rowid >= {starts[-1]}"])


def changed_parts(connection: Connection, settings: Settings, tables: Sequence[str], as_of: datetime) -> Plan:
    """The enrollments that are due; fills the temp table `due`."""
    tenant = {"tenant_id": settings.tenant_id}
    connection.execute(sql("noted"), tenant | {"consumers": [BUILD, *tables]})
    streams = {stream for (stream,) in connection.execute("SELECT DISTINCT stream FROM noted").fetchall()}
    queries = list(_queries(streams, tables))
    if not queries:
        return Plan(False, [])
    values = tenant | {"size": PART} | ({"as_of": as_of} if PROGRESS in tables else {})
    connection.execute(sql("due", first=" UNION ALL ".join(map(sql, queries))), values)
    parts = count(connection, "SELECT max(part) + 1 FROM due")
    return Plan(False, [f"e.id IN (SELECT id FROM due WHERE part = {number})" for number in range(parts)])


def _queries(streams: set[str], tables: Sequence[str]) -> Iterator[str]:
    named = [query for stream, (query, readers) in NOTED.items() if stream in streams and set(readers) & set(tables)]
    yield from dict.fromkeys(named)
    if PROGRESS in tables:
        yield from ("due_by_time", "due_unmapped")


def settle(connection: Connection, tenant_id: str, tables: Sequence[str]) -> None:
    """What was noted until now is dealt with for these tables, and still due for the other one."""
    for other in {RECORD, PROGRESS} - set(tables):
        changed.put_off(connection, tenant_id, BUILD, other)
    for table in tables:
        changed.dealt_with(connection, tenant_id, table, keeps_ids=False)
    changed.dealt_with(connection, tenant_id, BUILD)
