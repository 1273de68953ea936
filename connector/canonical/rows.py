"""The rows of the canonical tables: computed part by part, written where they differ, with what follows from them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connector.canonical.due import PROGRESS, RECORD, Plan
from connector.settings import Settings
from connector.warehouse import changed
from connector.warehouse.apply import TableCounts, Target, apply_rows
from connector.warehouse.database import Connection, count
from connector.warehouse.statements import statements
from mappings import Mapping

sql = statements(__package__)

HISTORY = "learning_item_progress_history"
# What the maps compute from: the temp table of the enrollments that are due, which has the ids of their records.
DUE = {"enrollments": "due_enrollments", "learning_record_id": "e.learning_record_id"}
FEW = {
    "of_due_sessions": "SEMI JOIN due_enrollments AS due ON due.id = course_enrollment_id",
    "of_due_attempts": "SEMI JOIN due_enrollments AS due USING (user_id, course_id)",
}
NEXT = "next_change_at"
KEYS = {RECORD: "id", PROGRESS: "enrollment_id"}

RECORDS = Target(RECORD, KEYS[RECORD], stamps={"created_at": False, "updated_at": True})
STATUSES = Target(PROGRESS, KEYS[PROGRESS], before=("ProgressStatus", "rule", "CompletedPercent"), besides=(NEXT,))


@dataclass(slots=True)
class Rows:
    """Computes the tables of one tenant as of an instant, in the transaction of a build."""

    connection: Connection
    settings: Settings
    maps: Mapping
    tables: Sequence[str]
    as_of: datetime
    run_id: str
    now: datetime
    counts: dict[str, TableCounts] = field(default_factory=dict)
    moves: Counter[str] = field(default_factory=Counter)
    computed: int = 0

    @property
    def _tenant(self) -> dict[str, str]:
        return {"tenant_id": self.settings.tenant_id}

    def compute(self, plan: Plan) -> None:
        """Compute the parts and write what differs."""
        self.counts = {table: self.counts.get(table, TableCounts()) for table in self.tables}
        empty = {table for table in (*self.tables, HISTORY) if not self._any(table)}
        if PROGRESS in empty:
            self.connection.execute("DELETE FROM ops.next_changes WHERE tenant_id = $tenant_id", self._tenant)
        for part in plan.parts:
            self.connection.execute(sql("due_enrollments", part=part), self._tenant)
            self.computed += count(self.connection, "SELECT count(*) FROM due_enrollments")
            if RECORD in self.tables:
                self._records({} if plan.everything else FEW, empty=RECORD in empty)
            if PROGRESS in self.tables:
                self._statuses(empty)
                among = "true" if plan.everything else "source_id IN (SELECT CAST(id AS VARCHAR) FROM due_enrollments)"
                self._unmapped(among, last=part == plan.parts[-1] or not plan.everything)

    def _any(self, table: str) -> int:
        return count(self.connection, sql("rows_any", table=table), self._tenant)

    def _records(self, narrowed: dict[str, str], *, empty: bool) -> None:
        values = self._tenant | {"provider": self.settings.provider}
        self.connection.execute(self.maps.sql(RECORD, **DUE, **narrowed), values)
        self._add(RECORD, apply_rows(self.connection, RECORDS, empty=empty))
        changed.note(self.connection, self.settings.tenant_id, RECORD, "SELECT id FROM changes")
        self._drop_what_is_not_computed(RECORD)

    def _statuses(self, empty: set[str]) -> None:
        values = self._tenant | {"timezone": self.settings.mapping.timezone, "as_of": self.as_of}
        self.connection.execute(self.maps.sql(PROGRESS, **DUE), values)
        self._add(PROGRESS, apply_rows(self.connection, STATUSES, empty=PROGRESS in empty))
        changed.note(self.connection, self.settings.tenant_id, PROGRESS, "SELECT enrollment_id AS id FROM changes")
        self._history(empty=HISTORY in empty)
        self._drop_what_is_not_computed(PROGRESS)
        columns = self.connection.execute("SELECT * FROM computed LIMIT 0").description or []
        if NEXT in [column[0] for column in columns]:  # a map of one's own may leave it out
            self.connection.execute(sql("next_changes_all" if PROGRESS in empty else "next_changes"))

    def _history(self, *, empty: bool) -> None:
        """Bring learning_item_progress_history up to the rows just written, and count the changes of status."""
        self.connection.execute(sql("restated"))
        if not count(self.connection, "SELECT count(*) FROM restated"):
            return
        self.moves.update(dict(self.connection.execute(sql("history_moves")).fetchall()))
        self.connection.execute(sql("history_held"), self._tenant)
        if not empty:
            self.connection.execute(sql("history_close"), {"as_of": self.as_of})
            self.connection.execute(sql("history_follow"))
        self.connection.execute(sql("history_open"), self._tenant | {"as_of": self.as_of})

    def _unmapped(self, among: str, *, last: bool) -> None:
        """Quarantine what no rule decides; settle what is decided by now."""
        seen = self._tenant | {"seen_at": self.now}
        known = ", ".join(map(str, self.maps.statuses))
        self.connection.execute(sql("unmapped_put", known_statuses=known), {"seen_at": self.now, "run_id": self.run_id})
        if last:
            self.connection.execute(sql("unmapped_resolve", among=among), seen)

    def whole(self) -> bool:
        """Drop the rows of enrollments that have none any more; false where rows are missing. Fills the totals."""
        known = ", ".join(map(str, self.maps.statuses))
        [figures] = self.connection.execute(sql("rows_expected", known_statuses=known), self._tenant).fetchall()
        complete = True
        for table, expected, rows in ((RECORD, *figures[:2]), (PROGRESS, *figures[2:])):
            if table in self.tables:
                gone = self._drop(table, sql(f"orphans_of_{table}", known_statuses=known)) if rows > expected else 0
                self.counts[table].rows = rows - gone
                complete = complete and rows - gone == expected
        return complete

    def _drop(self, table: str, orphans: str) -> int:
        """Delete the rows that a query puts into the temp table `orphans`; returns how many."""
        key = KEYS[table]
        self.connection.execute(orphans, self._tenant)
        changed.note(self.connection, self.settings.tenant_id, table, "SELECT id FROM orphans")
        if table == PROGRESS:
            self.connection.execute(sql("history_end"), self._tenant | {"as_of": self.as_of})
            self.connection.execute(sql("orphans_drop", table="ops.next_changes", key=key), self._tenant)
        gone = count(self.connection, sql("orphans_drop", table=table, key=key), self._tenant)
        self.counts[table].deleted += gone
        return gone

    def _drop_what_is_not_computed(self, table: str) -> None:
        """A map of one's own, which computes all rows at once, may leave enrollments out."""
        if not self.maps.is_packaged(table):
            self._drop(table, sql("orphans_of_computed", table=table, key=KEYS[table]))

    def _add(self, table: str, made: TableCounts) -> None:
        counts = self.counts[table]
        counts.inserted, counts.updated = counts.inserted + made.inserted, counts.updated + made.updated

    def moves_by_number(self) -> dict[str, int]:
        """Changes of status, the most frequent first."""
        return dict(sorted(self.moves.items(), key=lambda move: (-move[1], move[0])))
