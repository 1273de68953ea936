"""Which LearningItem a course is: the crosswalk, the name, what is ambiguous; and native progress against ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Row, query, records

from connector.canonical.match import match_items
from connector.sandbox.server import Sandbox
from connector.settings import Settings
from connector.sync import run_build, run_match, run_pull, run_push, run_readback
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
    # The matches are those of before, so a build touches nothing.
    assert run_build(settings).tables["learning_item_progress"].updated == 0
    assert query(warehouse, "SELECT count(*) FROM salesforce.drift") == [(1,)]
    sandbox.org.delete("LearningItemProgress", [chosen["Id"]])
    assert run_readback(settings).drift == {}
