"""What a push would change of the records that the org already has, counted by kind, before anything is sent."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.canonical.build import progress_at
from connector.push.watch import Watch
from connector.settings import Settings
from connector.warehouse.database import Connection, count
from connector.warehouse.statements import literal, statements
from mappings import Mapping as Maps

sql = statements(__package__)

Key = Mapping[str, Any]

# So few records are a person's work of a day, whatever their share.
LEAST_RECORDS = 100
NEVER_PERCENT = 100
# A recomputation of all statuses takes about a second per million enrollments.
MOST_INSTANTS = 20


@dataclass(frozen=True, slots=True)
class Changes:
    """Records of the org, and how many of them a push would change in each way.

    `blank` counts by field, `statuses` by change of status. `calendar` are status changes that the calendar alone
    explains; they are not part of `status`. `unknown` are records of which nobody noted what the org has.
    """

    records: int
    status: int
    learner: int
    removed: int
    calendar: int
    unknown: int
    blank: dict[str, int]
    statuses: dict[str, int]

    def too_many(self, percent: float, percent_of_statuses: float) -> list[str]:
        """What is to be held, in words; empty when nothing is."""
        kinds = [(self.learner, "would lose their learner or get another"), (self.removed, "would be marked removed")]
        kinds += [(records, f"would lose their {field}") for field, records in self.blank.items()]
        limits = [(self.status, "would change their status", percent_of_statuses)]
        limits += [(records, words, percent) for records, words in kinds]
        return [
            f"{records:,} of {self.records:,} records {words} ({100 * records / self.records:.0f} %)"
            for records, words, limit in limits
            if exceeds(records, self.records, limit)
        ]


NOTHING = Changes(0, 0, 0, 0, 0, 0, {}, {})


def exceeds(changed: int, records: int, percent: float) -> bool:
    """Whether so many of so many records are more than a push may change unasked."""
    return percent < NEVER_PERCENT and changed > LEAST_RECORDS and 100 * changed > percent * records


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compares `pushable` (connector/push/sql/pushable.sql) with what the org has, for the ledger rows of `key`.

    `whole` says that the difference looked at every record, and not at those in the temp table looked_at alone.
    """

    connection: Connection
    settings: Settings
    maps: Maps
    watch: Watch
    key: Key
    whole: bool = True

    def changes(self, last_as_of: datetime | None, percent_of_statuses: float) -> Changes:
        """Make the temp tables and views hold_*, and count.

        `last_as_of`: of which instant the statuses of the last push were.
        """
        connection, watch = self.connection, self.watch
        connection.execute(sql("hold_next", **watch.parts("payload")))
        connection.execute(sql("hold_people", **self._people()))
        if not count(connection, sql("hold_records"), self.key):
            return NOTHING  # a first push
        if watch.copies:
            seed = {"looked_at": self._looked_at("l.external_id", "external_id"), **watch.parts("r.fields")}
            connection.execute(sql("hold_seed", copies=watch.copies, **seed), self.key)
        connection.execute(sql("hold_changes", blankable=watch.blankable), self.key)
        if watch.enrollments:
            self._set_calendar_aside(last_as_of, percent_of_statuses)
        return self._count()

    def _people(self) -> dict[str, str]:
        """The `{{parts}}` of a view, which takes no parameters."""
        tenant, enrollments = literal(self.key["tenant_id"]), str(self.watch.enrollments)
        looked_at = self._looked_at("p.enrollment_id", "TRY_CAST(external_id AS UUID)")
        return {"tenant_id": tenant, "enrollments": enrollments, "looked_at": looked_at}

    def _looked_at(self, column: str, found: str) -> str:
        return "true" if self.whole else f"{column} IN (SELECT {found} FROM looked_at)"

    def _set_calendar_aside(self, last_as_of: datetime | None, percent: float) -> None:
        """Mark status changes that the calendar alone explains, for as long as there are too many changes."""
        for as_of, for_all in self._instants(last_as_of):
            found = self._figures()
            if not exceeds(found["status"], found["records"], percent):
                return
            progress_at(self.connection, self.settings, self.maps, as_of)
            self.connection.execute(sql("hold_calendar"), {"as_of": as_of, "all": for_all})

    def _instants(self, last_as_of: datetime | None) -> Iterator[tuple[datetime, bool]]:
        """Where to look back to: the last push, for all records; then when each record was sent, for that record."""
        if last_as_of:
            yield last_as_of, True
        for (as_of,) in self.connection.execute(sql("hold_instants"), {"most": MOST_INSTANTS}).fetchall():
            yield as_of, False

    def _figures(self) -> dict[str, int]:
        found = self.connection.execute(sql("hold_counts", records=sql("hold_records")), self.key)
        names = [column[0] for column in found.description or []]
        return dict(zip(names, found.fetchone() or (), strict=True))

    def _count(self) -> Changes:
        blank, changed = (
            dict(self.connection.execute(sql(name)).fetchall()) for name in ("hold_blanked", "hold_statuses")
        )
        return Changes(**self._figures(), blank=blank, statuses=changed)

    def plan_hash(self) -> str:
        """A hash of everything that the push would do to the object; fills the temp table hold_plan."""
        self.connection.execute(sql("hold_plan"))
        return str((self.connection.execute(sql("hold_hash")).fetchone() or ("",))[0])

    def keep(self, as_of: datetime | None) -> None:
        """Note what is about to be sent, and whose learner matches now. `as_of`: of which instant the statuses are."""
        for name in ("state_prune", "state_match"):
            self.connection.execute(sql(name), self.key)
        self.connection.execute(sql("state_put"), {**self.key, "as_of": as_of})
