"""A build computes what changed and what the calendar changes; the tables are those of a computation of every row."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import COURSE, USER, Row, enrollment, examples, load, query, records

from connector.canonical import load_maps
from connector.canonical.build import TABLES, BuildReport, build
from connector.canonical.match import match
from connector.settings import Settings, load_settings
from connector.times import utc_now
from connector.warehouse import changed
from connector.warehouse.database import Connection, Stamp, Warehouse
from connector.warehouse.load import Batch, load_batch

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
MICROSECOND, DAY = timedelta(microseconds=1), timedelta(days=1)
PROGRESS = "learning_item_progress"

IDS = [str(uuid.UUID(int=1000 + number)) for number in range(4)]
PEOPLE = [USER, str(uuid.UUID(int=2))]
COURSES = [COURSE, str(uuid.UUID(int=3))]
ATTEMPTS = [str(uuid.UUID(int=number)) for number in (11, 12, 13)]

_tenants = itertools.count(1)


def spelled(moment: datetime) -> str:
    """An instant as Absorb writes it, with the seconds of a moment, never as a calendar day."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """One file for the module: each case works on a tenant of its own."""
    return Warehouse(tmp_path_factory.mktemp("incremental") / "warehouse.duckdb")


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path | None]:
    """Folders of maps by name; `""` is the packaged one."""
    folders: dict[str, Path | None] = {"": None}
    for name, text in {"two days": "no_longer_tracking_after_days = 2", "strict": "pace_tolerance = 0"}.items():
        folder = tmp_path_factory.mktemp("maps")
        (folder / "parameters.toml").write_text(text, "utf-8")
        folders[name] = folder
    return folders


class Portal:
    """A tenant of its own in the warehouse, and what it is built by."""

    def __init__(self, warehouse: Warehouse, folders: dict[str, Path | None]) -> None:
        self.warehouse, self.folders = warehouse, folders
        self.tenant_id = f"t{next(_tenants)}"
        self.as_of, self.map, self.timezone, self.provider = AS_OF, "", "UTC", "Absorb LMS"
        self.rows: dict[str, Row] = {}
        self.history: dict[str, list[list[Any]]] = {}

    @property
    def settings(self) -> Settings:
        mapping = {"as_of": self.as_of, "timezone": self.timezone, "dir": self.folders[self.map]}
        return load_settings(
            tenant_id=self.tenant_id, provider=self.provider, warehouse={"path": self.warehouse.path}, mapping=mapping
        )

    def load(self, *rows: Row, stream: str = "enrollments") -> None:
        load(self.warehouse, rows, stream=stream, tenant_id=self.tenant_id)
        if stream == "enrollments":
            self.rows |= {row["id"]: row for row in rows}

    def write(self, stream: str, statement: str, values: list[Any], ids: str) -> None:
        """Write a table as a sweep or a read of the org does, and note it."""
        with self.warehouse.transaction() as connection:
            connection.execute(statement, values)
            changed.note(connection, self.tenant_id, stream, ids)

    def match(self) -> None:
        with self.warehouse.transaction() as connection:
            match(connection, load_maps(self.settings), self.tenant_id)

    def build(self, tables: tuple[str, ...] = TABLES) -> BuildReport:
        report = build(self.settings, "b", tables)
        with self.warehouse.connect() as connection:
            for table in tables:
                assert_computed(connection, self.settings, table)
        if PROGRESS in tables:
            self._follow_history()
        return report

    def _follow_history(self) -> None:
        """What the history should say now, told by the table as it was after each build, and what it says."""
        held = {str(row["enrollment_id"]): row for row in self.read(PROGRESS)}
        for key in held.keys() | self.history.keys():
            told, row = self.history.setdefault(key, []), held.get(key)
            is_open = bool(told) and told[-1][1] is None
            if is_open and row and told[-1][2] == row["ProgressStatus"]:
                told[-1][3:] = [row["rule"], row["CompletedPercent"]]
                continue
            if is_open:
                told[-1][1] = max(told[-1][0], self.as_of)
            if row:
                begins = max(self.as_of, *(one[1] for one in told)) if told else self.as_of
                told.append([begins, None, row["ProgressStatus"], row["rule"], row["CompletedPercent"]])
        columns = ("valid_from", "valid_to", "status", "rule", "percent")
        kept: dict[str, list[list[Any]]] = {}
        for row in self.read("learning_item_progress_history"):
            kept.setdefault(str(row["enrollment_id"]), []).append([row[name] for name in columns])
        expected = {key: sorted(told, key=str) for key, told in self.history.items() if told}
        assert {key: sorted(rows, key=str) for key, rows in kept.items()} == expected

    def read(self, table: str) -> list[Row]:
        return records(self.warehouse, f"FROM {table} WHERE tenant_id = ?", [self.tenant_id])


def assert_computed(connection: Connection, named: Settings, table: str) -> None:
    """The table is what a computation of every row says."""
    values = {"tenant_id": named.tenant_id}
    timed = {"timezone": named.mapping.timezone, "as_of": named.as_of()}
    every = load_maps(named)
    connection.execute(every.sql("macros"))
    connection.execute(every.sql(table), values | (timed if table == PROGRESS else {"provider": named.provider}))
    found = connection.execute("SELECT * FROM computed LIMIT 0").description or []
    names = ", ".join(f'"{column[0]}"' for column in found if column[0] != "next_change_at")
    held = f"SELECT {names} FROM {table} WHERE tenant_id = $tenant_id"
    for left, right in ((f"SELECT {names} FROM computed", held), (held, f"SELECT {names} FROM computed")):
        extra = connection.execute(f"({left}) EXCEPT ALL ({right})", values if "$" in left + right else None).fetchall()
        assert extra == [], (table, "computed" if left is not held else "held", extra)


# -- one change, and what is computed for it ---------------------------------------------------------------


@pytest.fixture
def portal(warehouse: Warehouse, maps: dict[str, Path | None]) -> Portal:
    """Twenty enrollments in progress, ten learners, two courses; built, so that nothing is due."""
    made = Portal(warehouse, maps)
    people = [str(uuid.UUID(int=number)) for number in range(1, 11)]
    courses = [COURSE, str(uuid.UUID(int=99))]
    made.load(*(enrollment(userId=user, courseId=course, progress=5.0) for user in people for course in courses))
    made.load(*({"id": user, "username": user} for user in people), stream="users")
    made.load(*({"id": course, "name": course} for course in courses), stream="courses")
    assert made.build().computed == 20
    return made


def test_nothing_changed_and_nothing_is_computed(portal: Portal) -> None:
    report = portal.build()
    assert (report.computed, report.moves, sum(report.statuses.values())) == (0, {}, 20)
    assert [(each.rows, each.unchanged) for each in report.tables.values()] == [(20, 20)] * 2


def test_one_edit_computes_one_row(portal: Portal) -> None:
    row = next(iter(portal.rows.values()))
    portal.load(row | {"progress": 7.0})
    report = portal.build()
    assert (report.computed, report.tables[PROGRESS].updated, report.tables["learning_record"].updated) == (1, 1, 0)


def test_a_learner_and_a_course_mean_their_enrollments(portal: Portal) -> None:
    row = next(iter(portal.rows.values()))
    portal.load({"id": row["userId"], "username": "x", "activeStatus": 1}, stream="users")
    assert (report := portal.build()).computed == 2
    assert report.moves == {"InProgress → NoLongerTracking": 2}
    portal.load({"id": COURSE, "name": "Renamed"}, stream="courses")
    assert portal.build().tables["learning_record"].updated == 10


def test_time_alone_computes_the_rows_whose_time_has_come(portal: Portal) -> None:
    row = next(iter(portal.rows.values()))
    due = AS_OF + timedelta(hours=1)
    portal.load(row | {"dateDue": spelled(due), "progress": 99.0})
    assert portal.build().computed == 1
    portal.as_of = due
    assert portal.build().computed == 0, "what is due is open up to and including that instant"
    portal.as_of += MICROSECOND
    report = portal.build()
    assert (report.computed, report.moves) == (1, {"OnTrack → Overdue": 1})
    portal.as_of = AS_OF + DAY
    assert portal.build().computed == 20, "a whole day more in progress"


@pytest.mark.parametrize(
    ("edit", "last", "change"),
    [
        pytest.param({"dateDue": "2026-03-01T12:30:00"}, "2026-03-01T12:30:00.000000", "OnTrack → Overdue", id="due"),
        pytest.param(
            {"dateDue": "2026-02-27T12:30:00"}, "2026-03-01T12:30:00.000000", "Overdue → NoLongerTracking", id="tracked"
        ),
        # 40 days, of which the tolerance and 15 points are a quarter.
        pytest.param(
            {"progress": 15.0, "dateAdded": "2026-02-19T12:30:00", "dateDue": "2026-03-31T12:30:00"},
            "2026-03-01T12:30:00.000000", "OnTrack → Behind", id="pace",
        ),
        # A third of a third: no float says it exactly.
        pytest.param(
            {"progress": 100 / 9, "dateAdded": "2026-02-21T12:00:00.000001", "dateDue": "2026-04-03T04:21:07"},
            None, "OnTrack → Behind", id="pace, odd",
        ),
    ],
)  # fmt: skip
def test_a_status_changes_with_the_first_microsecond_that_changes_it(
    portal: Portal, edit: Row, last: str | None, change: str
) -> None:
    portal.map = "two days"
    row = next(iter(portal.rows.values())) | {"progress": 99.0} | edit
    portal.load(row)
    if last is None:
        added, due = (datetime.fromisoformat(row[name]) for name in ("dateAdded", "dateDue"))
        reached = added + ceil((Fraction(row["progress"]) + 10) / 100 * ((due - added) // MICROSECOND)) * MICROSECOND
        last = spelled(reached - MICROSECOND)
    moment = datetime.fromisoformat(last).replace(tzinfo=UTC)
    portal.as_of = moment - timedelta(minutes=20)
    portal.build()
    portal.as_of = moment
    assert portal.build().moves == {}
    portal.as_of += 2 * MICROSECOND
    assert portal.build().moves == {change: 1}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda portal: setattr(portal, "map", "strict"), id="a parameter"),
        pytest.param(lambda portal: setattr(portal, "timezone", "Asia/Kolkata"), id="the time zone"),
        pytest.param(lambda portal: setattr(portal, "provider", "Acme"), id="the provider"),
        pytest.param(lambda portal: setattr(portal, "as_of", AS_OF - MICROSECOND), id="an earlier instant"),
    ],
)
def test_what_decides_every_row_computes_every_row(portal: Portal, change: Callable[[Portal], None]) -> None:
    change(portal)
    assert portal.build().computed == 20
    assert portal.build().computed == 0


def test_an_attempt_counts_for_another_enrollment_once_there_is_a_newer_one(portal: Portal) -> None:
    row = next(iter(portal.rows.values()))
    attempt = {
        "id": ATTEMPTS[0], "userId": row["userId"], "courseId": row["courseId"], "lessonId": COURSE, "status": 3,
        "score": 5.0, "completionDate": "2026-02-20T00:00:00",
    }  # fmt: skip
    portal.load(attempt, stream="attempts")
    assert portal.build().tables["learning_record"].updated == 1
    portal.load(row | {"id": IDS[0], "dateAdded": "2026-02-10T00:00:00"})
    report = portal.build()
    assert (report.computed, report.tables["learning_record"].updated) == (2, 1)


def test_matching_is_skipped_where_nothing_that_it_reads_changed(portal: Portal) -> None:
    portal.match()
    portal.build()
    with pytest.MonkeyPatch.context() as never:
        never.setattr("connector.canonical.match.match_learners", None)
        portal.match()
        portal.load(next(iter(portal.rows.values())) | {"progress": 7.0})
        portal.match()
        assert portal.build().computed == 1
        portal.load({"id": USER, "username": "new"}, stream="users")
        with pytest.raises(TypeError):
            portal.match()
    portal.match()


def test_a_changed_match_computes_the_learners_rows(portal: Portal) -> None:
    row = next(iter(portal.rows.values()))
    portal.load({"id": row["userId"], "username": "x", "externalId": "e1"}, stream="users")
    portal.match()
    portal.build()
    put = (
        'INSERT INTO salesforce.users (tenant_id, "Id", "FederationIdentifier", "IsActive")'
        " VALUES (?, '005000000000002AAA', 'e1', true)"
    )
    portal.write("salesforce.users", put, [portal.tenant_id], "SELECT 'x' AS id")
    portal.match()
    assert portal.build().computed == 2
    assert [one["OwnerId"] for one in portal.read(PROGRESS)].count("005000000000002AAA") == 2


def test_a_map_of_ones_own_is_computed_whole_each_time(portal: Portal, tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    text = load_maps(portal.settings).sql("learning_record").replace("'api' AS source_type", "'own' AS source_type")
    (tmp_path / "sql/learning_record.sql").write_text(text, "utf-8")
    portal.folders = {**portal.folders, "own": tmp_path}
    portal.map = "own"
    assert portal.build().tables["learning_record"].updated == 20
    assert (portal.build().computed, portal.build().tables["learning_record"].rows) == (20, 20)
    filtered = text.replace(
        "WHERE e.tenant_id = $tenant_id;", f"WHERE e.tenant_id = $tenant_id AND e.course_id = '{COURSE}'"
    )
    (tmp_path / "sql/learning_record.sql").write_text(filtered, "utf-8")
    assert portal.build().tables["learning_record"].deleted == 10


def test_parts_make_the_same_tables_as_all_rows_at_once(
    warehouse: Warehouse, maps: dict[str, Path | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.canonical.due.PART", 3)
    portal = Portal(warehouse, maps)
    rows = [enrollment(id=key, status=status) for key, status in zip(IDS, (0, 1, 99, 3), strict=True)]
    portal.load(*rows, *(enrollment(dateDue=spelled(AS_OF + DAY)) for _ in range(6)))
    report = portal.build()
    assert (report.computed, report.unmapped, sum(report.statuses.values())) == (10, 1, 9)
    portal.as_of += 2 * DAY  # everything of this tenant, by time
    assert (report := portal.build()).computed == 9
    assert report.unmapped == 1
    portal.load(rows[2] | {"status": 1}, rows[0] | {"status": 98})
    report = portal.build()
    assert (report.unmapped, report.tables[PROGRESS].inserted, report.tables[PROGRESS].deleted) == (1, 1, 1)
    portal.map = "strict"
    assert portal.build().unmapped == 1


def test_a_table_that_lacks_rows_is_computed_whole(portal: Portal) -> None:
    with portal.warehouse.connect() as connection:
        connection.execute("DELETE FROM learning_record WHERE tenant_id = ?", [portal.tenant_id])
    assert portal.build().tables["learning_record"].inserted == 20


def test_what_one_table_was_built_of_is_still_due_for_the_other(portal: Portal) -> None:
    row = next(iter(portal.rows.values()))
    portal.load(row | {"progress": 7.0, "score": 5.0})
    assert portal.build(("learning_record",)).computed == 1
    assert portal.build((PROGRESS,)).computed == 1
    assert portal.build().computed == 0


def test_a_warehouse_of_a_version_that_noted_nothing_is_built_whole(portal: Portal) -> None:
    query(portal.warehouse, "DELETE FROM ops.next_changes WHERE tenant_id = ?", [portal.tenant_id])
    assert portal.build().computed == 20
    counted = "SELECT count(*) FROM ops.next_changes WHERE tenant_id = ?"
    assert query(portal.warehouse, counted, [portal.tenant_id]) == [(20,)]


def test_pushes_are_told_of_the_rows_that_changed(portal: Portal) -> None:
    with portal.warehouse.transaction() as connection:
        changed.dealt_with(connection, portal.tenant_id, changed.PUSH)
    row = next(iter(portal.rows.values()))
    portal.load(row | {"status": 5})
    portal.build()
    noted = "SELECT stream, id FROM ops.changed WHERE tenant_id = ? AND consumer = 'push' ORDER BY ALL"
    [(_, first), (_, second), (stream, record_id)] = query(portal.warehouse, noted, [portal.tenant_id])
    assert (first, second, stream) == (row["id"], row["id"], "learning_record")
    assert record_id in {one["id"] for one in portal.read("learning_record")}


# -- any sequence ------------------------------------------------------------------------------------------

NEAR = [timedelta(0), -MICROSECOND, MICROSECOND, timedelta(hours=7), DAY, -DAY, 3 * DAY, -10 * DAY, 12 * DAY, 90 * DAY]
ADDED = [AS_OF - 10 * DAY, AS_OF - 10 * DAY, AS_OF - 3 * DAY - MICROSECOND, AS_OF + DAY]
DUE_DAYS = ["2026-03-03T00:00:00", "2026-02-27T00:00:00"]

some = st.sampled_from
enrollments = st.fixed_dictionaries(
    {
        "id": some(IDS), "userId": some([USER, USER, *PEOPLE]), "status": some([0, 1, 1, 1, 3, 5, 6, 99]),
        "progress": some([None, -3.0, 0.0, 33.3333, 40.0, 89.99, 90.0, 130.5]), "isActive": some([True, True, False]),
        "score": some([None, 5.0, 101.0]),
        "dateAdded": some([*ADDED]).map(spelled),
        "dateDue": some([None, *(spelled(AS_OF + near) for near in NEAR), *DUE_DAYS]),
        "accessDate": some([None, None, spelled(AS_OF - DAY)]),
        "dateCompleted": some([None, spelled(AS_OF), spelled(AS_OF - 5 * DAY)]),
    }
)  # fmt: skip


def borders(portal: Portal) -> list[datetime]:
    """Instants at which something about a row changes: due, no longer tracked, the pace, whole days."""
    found = []
    for row in portal.read(PROGRESS):
        source = portal.rows[str(row["enrollment_id"])]
        added = datetime.fromisoformat(source["dateAdded"]).replace(tzinfo=UTC)
        found += [added + number * DAY for number in (1, 3, 10, 11)]
        if row["due_at"]:
            start = max(added, AS_OF - DAY) if source["accessDate"] else added
            micros = (row["due_at"] - start) // MICROSECOND
            paces = [(Fraction(source["progress"] or 0) + tolerance) / 100 * micros for tolerance in (0, 10)]
            found += [row["due_at"], row["due_at"] + 2 * DAY, *(start + ceil(pace) * MICROSECOND for pace in paces)]
    return sorted(set(found)) or [AS_OF]


class Steps:
    """What can happen between two builds, drawn."""

    def __init__(self, portal: Portal, data: st.DataObject) -> None:
        self.portal, self.draw = portal, data.draw

    def edit(self) -> None:
        rows = self.draw(st.lists(enrollments, min_size=1, max_size=4, unique_by=lambda row: row["id"]), "rows")
        # An enrollment belongs to one course.
        self.portal.load(*(enrollment(**row, courseId=COURSES[IDS.index(row["id"]) % 2]) for row in rows))

    def remove(self) -> None:
        gone = self.draw(some(IDS), "gone")
        removed = "UPDATE absorb.enrollments SET _removed_at = ? WHERE tenant_id = ? AND id = ?"
        self.portal.write("enrollments", removed, [utc_now(), self.portal.tenant_id, gone], f"SELECT '{gone}' AS id")

    def learners(self) -> None:
        for user in PEOPLE:
            status = self.draw(some([0, 1, None]), "activeStatus")
            person = {"id": user, "username": "x", "activeStatus": status, "externalId": f"e{user}"}
            self.portal.load(person, stream="users")

    def courses(self) -> None:
        course, vendor = self.draw(some(COURSES), "course"), self.draw(some([None, " ", "Northwind"]), "vendor")
        self.portal.load({"id": course, "name": f"of {vendor}", "vendor": vendor}, stream="courses")

    def course_gone(self) -> None:
        stamp = Stamp(self.portal.tenant_id, "run", utc_now())
        load_batch(self.portal.warehouse, Batch("enrollments", tombstones=[self.draw(some(COURSES), "gone")]), stamp)

    def attempts(self) -> None:
        moment = spelled(AS_OF + self.draw(some(NEAR), "made"))
        attempt = {
            "id": self.draw(some(ATTEMPTS), "id"), "userId": USER, "courseId": COURSE, "lessonId": COURSE, "status": 3,
            "score": self.draw(some([None, 5.0, 5.0]), "score"), "completionDate": moment,
        }  # fmt: skip
        self.portal.load(attempt, stream="attempts")

    def sessions(self) -> None:
        session = {
            "id": ATTEMPTS[0], "courseEnrollmentId": self.draw(some(IDS), "of"), "userId": USER, "status": 1,
            "sessionId": self.draw(some(ATTEMPTS), "session"),
        }  # fmt: skip
        self.portal.load(session, stream="session_enrollments")

    def matches(self) -> None:
        person, tenant = self.draw(some(PEOPLE), "person"), self.portal.tenant_id
        held = "DELETE FROM salesforce.users WHERE tenant_id = ?"
        self.portal.write("salesforce.users", held, [tenant], "SELECT 'x' AS id")
        put = (
            'INSERT INTO salesforce.users (tenant_id, "Id", "FederationIdentifier", "IsActive")'
            " VALUES (?, '005000000000001AAA', ?, true)"
        )
        self.portal.write("salesforce.users", put, [tenant, f"e{person}"], "SELECT 'x' AS id")
        self.portal.match()

    def clock(self) -> None:
        self.portal.as_of = AS_OF + self.draw(some(NEAR), "as_of")

    def tick(self) -> None:
        """To the next instant at which something changes, and nearly no further."""
        later = [one for one in borders(self.portal) if one > self.portal.as_of]
        self.portal.as_of = later[0] + self.draw(some([timedelta(0), MICROSECOND]), "near") if later else AS_OF

    def border(self) -> None:
        near = self.draw(some([timedelta(0), MICROSECOND, -MICROSECOND, 2 * MICROSECOND]), "near")
        self.portal.as_of = self.draw(some(borders(self.portal)), "border") + near

    def other_map(self) -> None:
        self.portal.map = self.draw(some(sorted(self.portal.folders)), "map")

    def other_zone(self) -> None:
        self.portal.timezone = self.draw(some(["UTC", "America/New_York"]), "zone")

    def other_provider(self) -> None:
        self.portal.provider = self.draw(some(["Absorb LMS", "Acme"]), "provider")


KINDS = [name for name, value in vars(Steps).items() if not name.startswith("_") and callable(value)]
OFTEN = [*KINDS, *["tick"] * 6, "border", "edit", "edit", "attempts"]


@settings(max_examples=examples(4), deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_happens_the_tables_are_those_of_a_computation_of_every_row(
    warehouse: Warehouse, maps: dict[str, Path | None], data: st.DataObject
) -> None:
    portal = Portal(warehouse, maps)
    steps = Steps(portal, data)
    steps.edit()
    for _ in range(data.draw(st.integers(2, 8), "builds")):
        portal.build(data.draw(some([TABLES, TABLES, TABLES, TABLES[:1], TABLES[1:]]), "tables"))
        for kind in data.draw(
            st.lists(some([*KINDS, *["tick"] * 6, "border", "edit", "edit", "attempts"]), max_size=2), "steps"
        ):
            getattr(steps, kind)()
    portal.build()
