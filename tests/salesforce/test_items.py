"""Which LearningItem a course is: the crosswalk, the name, what is ambiguous; and native progress against ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import Row, query, records
from typer.testing import CliRunner

from connector.canonical.match import match_items
from connector.cli.main import app
from connector.errors import IncompleteError, SettingsError
from connector.salesforce.readback.retrieve import retrieve
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.sync import run_assign, run_build, run_match, run_pull, run_push, run_readback
from connector.warehouse.database import Connection, Warehouse
from mappings import load_mapping

ADA, BEA, CID = (f"c0000000-0000-4000-8000-00000000000{n}" for n in range(1, 4))
ONE, TWO, THREE = (f"0zs5g000000000{n}AAA" for n in range(1, 4))
HEADER = "course_by,course,item_by,item\n"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("items") / "warehouse.duckdb"


@pytest.fixture
def connection(file: Path) -> Iterator[Connection]:
    """An empty warehouse; what a test puts there is rolled back."""
    with Warehouse(file).connect() as opened:
        opened.execute("BEGIN")
        yield opened
        opened.execute("ROLLBACK")


def put(connection: Connection, courses: dict[str, tuple[str | None, str | None]], items: dict[str, str]) -> None:
    for key, (name, external) in courses.items():
        connection.execute(
            "INSERT INTO absorb.courses (tenant_id, id, name, external_id, _loaded_at, _run_id)"
            " VALUES ('default', ?, ?, ?, now(), 'run')", [key, name, external],
        )  # fmt: skip
    for key, name in items.items():
        connection.execute(
            'INSERT INTO salesforce.learning_items (tenant_id, "Id", "Name") VALUES (\'default\', ?, ?)', [key, name]
        )


# crosswalk rows, courses (name, external id), items, {course: (outcome, rule, item)}
CASES: dict[str, tuple[str, dict[str, tuple[str | None, str | None]], dict[str, str], dict[str, Row]]] = {
    "by name, whatever its letter case": (
        "", {ADA: ("First Aid", None)}, {ONE: " FIRST AID", TWO: "Second Aid"}, {ADA: ("matched", "name", ONE)},
    ),
    "a part of a name is not the name": (
        "", {ADA: ("First Aid", None)}, {ONE: "First Aid 2"}, {ADA: ("unmatched", None, None)},
    ),
    "two items of one name": (
        "", {ADA: ("First Aid", None)}, {ONE: "First Aid", TWO: "first aid"}, {ADA: ("ambiguous", "name", None)},
    ),
    "two courses of one name": (
        "", {ADA: ("First Aid", None), BEA: ("FIRST AID", None)}, {ONE: "First Aid"},
        {ADA: ("ambiguous", "name", None), BEA: ("ambiguous", "name", None)},
    ),
    "a course without a name": ("", {ADA: (None, None), BEA: (" ", None)}, {ONE: " "}, {
        ADA: ("unmatched", None, None), BEA: ("unmatched", None, None),
    }),
    "a row by id": (
        f"id,{ADA.upper()},id,{TWO}\n", {ADA: ("First Aid", None)}, {ONE: "First Aid", TWO: "Other"},
        {ADA: ("matched", "crosswalk", TWO)},
    ),
    "a row by external id, the item's id in its short form": (
        f"external_id,crs-1,id,{TWO[:15]}\n", {ADA: ("First Aid", " CRS-1 ")}, {TWO: "Other"},
        {ADA: ("matched", "crosswalk", TWO)},
    ),
    "a row by name for one of two twins leaves the name to the other": (
        f"id,{BEA},name,other\n", {ADA: ("First Aid", None), BEA: ("First Aid", None)},
        {ONE: "First Aid", TWO: "Other"}, {ADA: ("matched", "name", ONE), BEA: ("matched", "crosswalk", TWO)},
    ),
    "a row that leads nowhere is not replaced by the name": (
        "name,first aid,name,Gone\n", {ADA: ("First Aid", None)}, {ONE: "First Aid"},
        {ADA: ("unmatched", "crosswalk", None)},
    ),
    "a row that leads to two items": (
        '"name","Aid, first",name,Other\n', {ADA: ("Aid, first", None)}, {ONE: "Other", TWO: "OTHER"},
        {ADA: ("ambiguous", "crosswalk", None)},
    ),
    "the first row decides": (
        f"name,First Aid,id,{TWO}\nid,{ADA},id,{ONE}\n", {ADA: ("First Aid", None)}, {ONE: "A", TWO: "B"},
        {ADA: ("matched", "crosswalk", TWO)},
    ),
    "several courses may be one item": (
        "external_id,x,name,Other\n", {ADA: ("A", "x"), BEA: ("B", "X")}, {ONE: "Other"},
        {ADA: ("matched", "crosswalk", ONE), BEA: ("matched", "crosswalk", ONE)},
    ),
    "a quote in a name": (
        "name,it's,name,it's too\n", {ADA: ("it's", None)}, {ONE: "it's too"}, {ADA: ("matched", "crosswalk", ONE)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_course_is_the_item_that(connection: Connection, tmp_path: Path, name: str) -> None:
    rows, courses, items, expected = CASES[name]
    (tmp_path / "learning_items.csv").write_text(HEADER + rows, "utf-8")
    put(connection, courses, items)
    counts = match_items(connection, load_mapping(tmp_path), "default")
    columns = "CAST(course_id AS VARCHAR), outcome, rule, learning_item_id"
    found = connection.execute(f"SELECT {columns} FROM salesforce.item_matches")
    assert {row[0]: row[1:] for row in found.fetchall()} == expected
    assert sum(counts.values()) == len(courses)


def test_items_that_are_gone_and_other_tenants_do_not_count(connection: Connection) -> None:
    put(connection, {ADA: ("First Aid", None)}, {ONE: "First Aid", TWO: "First Aid"})
    connection.execute('UPDATE salesforce.learning_items SET _removed_at = now() WHERE "Id" = ?', [TWO])
    connection.execute(
        "INSERT INTO salesforce.learning_items (tenant_id, \"Id\", \"Name\") VALUES ('other', ?, 'First Aid')", [THREE]
    )
    assert match_items(connection, load_mapping(), "default") == {"matched": 1}


def test_without_items_nothing_is_counted(connection: Connection) -> None:
    put(connection, {ADA: ("First Aid", None)}, {})
    assert match_items(connection, load_mapping(), "default") == {}


def test_native_progress_is_compared_with_ours_course_by_course(sandbox: Sandbox, settings: Settings) -> None:
    run_pull(settings)
    matched = run_match(settings)
    run_build(settings)
    run_push(settings)
    report = run_readback(settings)
    assert report.items["matched"] == 2
    assert report.items["ambiguous"] == 1
    assert report.items == matched.items
    assert report.drift == {}
    warehouse = Warehouse.of(settings)
    compared = records(
        warehouse,
        'SELECT s."Id", p.enrollment_id, p."ProgressStatus" FROM salesforce.learning_item_progress AS s'
        ' JOIN learning_item_progress AS p ON p."OwnerId" = s."OwnerId" AND p."LearningItemId" = s."LearningItemId"'
        " WHERE p.is_current AND p.\"ProgressStatus\" = 'InProgress'",
    )
    assert compared
    chosen = compared[0]
    sandbox.org.set_values("LearningItemProgress", chosen["Id"], ProgressStatus="Overdue")
    assert run_readback(settings).drift == {"status": 1}
    found = query(warehouse, "SELECT kind, object, external_id, salesforce_id, ours, theirs FROM salesforce.drift")
    where = (str(chosen["enrollment_id"]), chosen["Id"])
    assert found == [("status", "LearningItemProgress", *where, "InProgress", "Overdue")]
    shown = retrieve(settings, chosen["Id"])
    assert (shown.record["ProgressStatus"], shown.ours["ProgressStatus"]) == ("Overdue", "InProgress")
    assert [(it["field"], it["ours"], it["theirs"]) for it in shown.drift] == [
        ("ProgressStatus", "InProgress", "Overdue")
    ]
    # The matches are those of before, so a build touches nothing.
    assert run_build(settings).tables["learning_item_progress"].updated == 0
    assert query(warehouse, "SELECT count(*) FROM salesforce.drift") == [(1,)]
    sandbox.org.delete("LearningItemProgress", [chosen["Id"]])
    assert run_readback(settings).drift == {}


DAY = timedelta(days=1)
# field, what is added to the value of ours, kind of the drift (None: within the tolerance)
TOLERANCES = [
    ("CompletedPercent", 0.01, None),
    ("CompletedPercent", 0.02, "percent"),
    ("CompletedDate", DAY, None),
    ("CompletedDate", DAY + timedelta(seconds=1), "date"),
    ("StartDate", -DAY, None),
    ("StartDate", -2 * DAY, "date"),
    ("CompletedOnDay", 1, None),
    ("CompletedOnDay", -2, "days"),
    ("DaysInProgress", -1, None),
    ("DaysInProgress", 2, "days"),
]


def test_native_progress_is_compared_within_tolerances(connection: Connection) -> None:
    """Percent, dates and counts of days of a completed enrollment, each a little and a little more apart."""
    ids = {"user": ADA, "course": BEA, "enrollment": CID}
    added, started = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, 12, tzinfo=UTC)
    done = datetime(2026, 1, 21, 12, tzinfo=UTC)
    ours: Row = {
        "ProgressStatus": "Completed", "CompletedPercent": 100.0, "CompletedDate": done, "StartDate": started,
        "CompletedOnDay": 18, "DaysInProgress": 20,
    }  # fmt: skip
    connection.execute(
        "INSERT INTO absorb.enrollments (tenant_id, id, user_id, course_id, is_active, status, date_added, date_edited,"
        " _loaded_at, _run_id) VALUES ('default', $enrollment, $user, $course, true, 3, $added, $added, now(), 'run')",
        ids | {"added": added},
    )
    names = ", ".join(f'"{name}"' for name in ours)
    connection.execute(
        "INSERT INTO learning_item_progress"
        f" (tenant_id, enrollment_id, learning_record_id, user_id, course_id, {names}, absorb_status, rule, is_current)"
        " VALUES ('default', $enrollment, 'lrn', $user, $course,"
        f" {', '.join('$' + name for name in ours)}, 3, 'completed', true)",
        ids | ours,
    )
    connection.execute(
        "INSERT INTO salesforce.learner_matches (tenant_id, user_id, outcome, hits, salesforce_user_id)"
        " VALUES ('default', $user, 'matched', 1, '005A')", {"user": ADA},
    )  # fmt: skip
    connection.execute(
        "INSERT INTO salesforce.item_matches (tenant_id, course_id, outcome, hits, learning_item_id)"
        " VALUES ('default', $course, 'matched', 1, $item)", {"course": BEA, "item": ONE},
    )  # fmt: skip
    for field, more, kind in TOLERANCES:
        theirs = ours | {field: ours[field] + more}
        connection.execute("DELETE FROM salesforce.learning_item_progress")
        connection.execute(
            f'INSERT INTO salesforce.learning_item_progress (tenant_id, "Id", "OwnerId", "LearningItemId", {names})'
            f" VALUES ('default', '0zt', '005A', '{ONE}', {', '.join('$' + name for name in ours)})",
            theirs,
        )
        found = connection.execute("SELECT kind, field FROM salesforce.drift").fetchall()
        assert found == ([(kind, field)] if kind else []), (field, more)
    connection.execute('UPDATE salesforce.learning_item_progress SET "CompletedDate" = NULL, "StartDate" = NULL')
    connection.execute('UPDATE salesforce.learning_item_progress SET "DaysInProgress" = NULL')
    # What the org does not say of start and days is no difference; that it knows of no completion is one.
    assert connection.execute("SELECT kind, field, ours FROM salesforce.drift").fetchall() == [
        ("date", "CompletedDate", "2026-01-21T12:00:00Z")
    ]
    connection.execute(
        "INSERT INTO salesforce.checkpoints VALUES ('default', 'LearningItemProgress', 'org', now(), now(),"
        " 'Id, OwnerId, ProgressStatus', now(), 'run')"
    )
    assert connection.execute("SELECT * FROM salesforce.drift").fetchall() == []  # the org serves no such fields


def test_a_passing_day_makes_no_drift_of_days(connection: Connection) -> None:
    """The org counts the days when it is asked, and a record that does not change is not read again."""
    connection.execute(
        "INSERT INTO absorb.enrollments (tenant_id, id, user_id, course_id, is_active, status, date_added, date_edited,"
        f" _loaded_at, _run_id) VALUES ('default', '{CID}', '{ADA}', '{BEA}', true, 1, '2026-01-01T00:00:00Z', now(),"
        " now(), 'run')"
    )
    connection.execute(
        "INSERT INTO learning_item_progress (tenant_id, enrollment_id, learning_record_id, user_id, course_id,"
        ' "ProgressStatus", "CompletedPercent", "DaysInProgress", absorb_status, rule, is_current)'
        f" VALUES ('default', '{CID}', 'lrn', '{ADA}', '{BEA}', 'InProgress', 40, 100, 1, 'in_progress', true)"
    )
    connection.execute(
        "INSERT INTO salesforce.learner_matches (tenant_id, user_id, outcome, hits, salesforce_user_id)"
        f" VALUES ('default', '{ADA}', 'matched', 1, '005A')"
    )
    connection.execute(
        "INSERT INTO salesforce.item_matches (tenant_id, course_id, outcome, hits, learning_item_id)"
        f" VALUES ('default', '{BEA}', 'matched', 1, '{ONE}')"
    )
    connection.execute(
        'INSERT INTO salesforce.learning_item_progress (tenant_id, "Id", "OwnerId", "LearningItemId", "ProgressStatus",'
        ' "CompletedPercent", "DaysInProgress", "SystemModstamp")'
        f" VALUES ('default', '0zt', '005A', '{ONE}', 'InProgress', 40, 30, '2026-01-31T06:00:00Z')"
    )
    assert connection.execute("SELECT * FROM salesforce.drift").fetchall() == []
    connection.execute('UPDATE salesforce.learning_item_progress SET "DaysInProgress" = 35')
    assert connection.execute("SELECT field, ours FROM salesforce.drift").fetchall() == [("DaysInProgress", "30")]


def test_what_cannot_be_retrieved_is_one_clear_message(sandbox: Sandbox, settings: Settings) -> None:
    record = sandbox.org.records("LearningItemProgress")[0]
    with Warehouse.of(settings).connect():
        pass  # makes one
    found = retrieve(settings, record["Id"][:15])
    assert found.record["ProgressStatus"] == record["ProgressStatus"]
    assert (found.ours, found.drift) == (None, [])  # nothing was pulled: nobody is matched
    assert query(Warehouse.of(settings), "SELECT count(*) FROM salesforce.learning_item_progress") == [(0,)]
    with pytest.raises(SettingsError, match="is not the id"):
        retrieve(settings, "0zt/describe")
    with pytest.raises(IncompleteError, match="has no LearningItemProgress"):
        retrieve(settings, "0zt5g0000000ZZZAAA")
    sandbox.org.remove_object("LearningItemProgress")
    with pytest.raises(IncompleteError, match="is not in this org"):
        retrieve(settings, record["Id"])


def test_an_org_that_counts_by_itself_shows_where_it_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox's own world: progress, assignments, prerequisites and courses that follow others."""
    with Sandbox(SandboxOptions(scale=160, courses=4, rate_limit=0)) as box:
        for name, value in box.settings().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "warehouse.duckdb"))
        settings = load_settings()
        run_pull(settings)
        run_match(settings)
        run_build(settings)
        report = run_readback(settings)
        assert {"status", "percent", "date", "days"} <= set(report.drift)
        outcomes = run_assign(settings).outcomes
        assert sum(outcomes.values()) > 3
        assert {"enroll", "enrolled"} & set(outcomes)
        catalogue = box.portal.rows("courses")
        assert any(row["prerequisiteCourseIds"] for row in catalogue)
        assert any(row["postEnrollmentCourseIds"] for row in catalogue)
        worst = query(Warehouse.of(settings), "SELECT salesforce_id, external_id FROM salesforce.drift LIMIT 1")[0]
        told = CliRunner().invoke(app, ["readback", "--record", worst[0], "--json"])
        assert told.exit_code == 0, told.output
        shown = json.loads(told.stdout)
        assert shown["ours"]["enrollment_id"] == worst[1]
        assert shown["drift"]
        assert "in Salesforce" in CliRunner().invoke(app, ["readback", "--record", worst[0]]).output
        explained = json.loads(CliRunner().invoke(app, ["explain", worst[1], "--json"]).stdout)
        assert explained["native"]["Id"] == worst[0]
