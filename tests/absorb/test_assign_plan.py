"""What is to be done about an assignment: every outcome of the plan as a table, and what a query must select."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.assignments.query import check_query, read_record
from connector.cli.commands.assign import MEANINGS
from connector.errors import SettingsError
from connector.settings import AssignmentSettings, load_settings
from connector.warehouse.database import Connection, Warehouse
from connector.warehouse.statements import statements

sql = statements("connector.assignments")

ADA, BEA = (f"a0000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
AID, FIRE = (f"c0000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
E1 = "e0000000-0000-4000-8000-000000000001"
PERSON, OTHER, CONTACT = "0055g00000AAAAAAA1", "0055g00000BBBBBAA2", "0035g00000CCCCCAA3"
ITEM, ITEM2 = "0zs5g00000DDDDDAA4", "0zs5g00000EEEEEAA5"
ORG = "00D000000000001AAA"

# The situation that most cases begin with: Ada is PERSON, Bea nobody; the course AID is ITEM, FIRE none.
USUAL: list[tuple[str, list[Any]]] = [
    ("user", [ADA, 0, None]), ("user", [BEA, 0, None]), ("match", [ADA, "matched", PERSON, None, PERSON, None]),
    ("course", [AID, "First Aid", 0, None]), ("course", [FIRE, "Fire", 0, None]),
    ("item", [AID, "matched", "name", ITEM]),
]  # fmt: skip
INSERTS = {
    "user": "INSERT INTO absorb.users (tenant_id, id, active_status, _removed_at, _loaded_at, _run_id)"
    " VALUES ('default', ?, ?, ?, now(), 'run')",
    "course": "INSERT INTO absorb.courses (tenant_id, id, name, active_status, _removed_at, _loaded_at, _run_id)"
    " VALUES ('default', ?, ?, ?, ?, now(), 'run')",
    "match": "INSERT INTO salesforce.learner_matches (tenant_id, user_id, outcome, hits, salesforce_user_id,"
    " salesforce_contact_id, last_user_id, last_contact_id) VALUES ('default', ?, ?, 1, ?, ?, ?, ?)",
    "shared": "INSERT INTO salesforce.learner_matches (tenant_id, user_id, outcome, hits, shared_id)"
    " VALUES ('default', ?, 'collision', 1, ?)",
    "item": "INSERT INTO salesforce.item_matches (tenant_id, course_id, outcome, rule, hits, learning_item_id)"
    " VALUES ('default', ?, ?, ?, 1, ?)",
    "native": 'INSERT INTO salesforce.learning_items (tenant_id, "Id", "Name") VALUES (\'default\', ?, ?)',
    "enrollment": "INSERT INTO absorb.enrollments (tenant_id, id, user_id, course_id, is_active, _removed_at, status,"
    " date_added, date_edited, _loaded_at, _run_id) VALUES ('default', ?, ?, ?, ?, ?, 1, now(), now(), now(), 'run')",
    "ledger": "INSERT INTO ops.assignments (tenant_id, org_id, assignment_id, user_id, course_id, state, error_code,"
    " error_text, attempts, first_sent_at, last_sent_at, run_id)"
    " VALUES ('default', ?, ?, ?, ?, ?, '422', 'no', 1, '2026-01-02T10:00:00Z', '2026-01-02T10:00:00Z', 'run')",
    "run": "INSERT INTO ops.runs (run_id, tenant_id, command, started_at) VALUES (?, 'default', 'pull', ?)",
    "read": "INSERT INTO ops.watermarks VALUES ('default', 'enrollments', ?, NULL, 1, '2026-01-02T12:00:00Z', ?)",
}
ONE = [("as-1", PERSON, ITEM)]
GONE = "2026-01-01T00:00:00Z"

# what the warehouse knows, assignments (id, learner, course), {id: outcome}
CASES: dict[str, tuple[list[tuple[str, list[Any]]], list[tuple[str, str | None, str | None]], dict[str, str]]] = {
    "due": (USUAL, ONE, {"as-1": "enroll"}),
    "ids of 15 characters": (USUAL, [("as-1", PERSON[:15], ITEM[:15])], {"as-1": "enroll"}),
    "ids differ by letter case": (USUAL, [("as-1", PERSON.lower(), ITEM)], {"as-1": "unknown_learner"}),
    "Absorb's own ids": (
        USUAL, [("as-1", ADA.upper(), FIRE), ("as-2", BEA, ITEM)], dict.fromkeys(("as-1", "as-2"), "enroll"),
    ),
    "a contact": (
        [*USUAL, ("match", [BEA, "matched", None, CONTACT, None, CONTACT])], [("as-1", CONTACT, ITEM)],
        {"as-1": "enroll"},
    ),
    "enrolled": ([*USUAL, ("enrollment", [E1, ADA, AID, True, None])], ONE, {"as-1": "enrolled"}),
    "enrolled formerly": ([*USUAL, ("enrollment", [E1, ADA, AID, False, None])], ONE, {"as-1": "enrolled"}),
    "somebody else is enrolled": ([*USUAL, ("enrollment", [E1, BEA, AID, True, None])], ONE, {"as-1": "enroll"}),
    "just enrolled by us": ([*USUAL, ("ledger", [ORG, "as-1", ADA, AID, "enrolled"])], ONE, {"as-1": "enrolled"}),
    "just enrolled by us, in a pull that had begun": (
        [*USUAL, ("ledger", [ORG, "as-1", ADA, AID, "enrolled"]), ("run", ["pull", "2026-01-02T09:00:00Z"]),
         ("read", [AID, "pull"])], ONE, {"as-1": "enrolled"},
    ),
    "enrolled by us, and not there in a later pull": (
        [*USUAL, ("ledger", [ORG, "as-1", ADA, AID, "enrolled"]), ("run", ["pull", "2026-01-02T11:00:00Z"]),
         ("read", [AID, "pull"])], ONE, {"as-1": "done"},
    ),
    "enrolled by us, and a later pull read another course": (
        [*USUAL, ("ledger", [ORG, "as-1", ADA, AID, "enrolled"]), ("run", ["pull", "2026-01-02T11:00:00Z"]),
         ("read", [FIRE, "pull"])], ONE, {"as-1": "enrolled"},
    ),
    "enrolled by us, and removed since": (
        [*USUAL, ("ledger", [ORG, "as-1", ADA, AID, "enrolled"]), ("enrollment", [E1, ADA, AID, True, GONE])], ONE,
        {"as-1": "done"},
    ),
    "enrolled by us for another assignment": (
        [*USUAL, ("ledger", [ORG, "as-0", ADA, AID, "enrolled"])], ONE, {"as-1": "enrolled"},
    ),
    "enrolled by us for an assignment of another org": (
        [*USUAL, ("ledger", ["other", "as-0", ADA, AID, "enrolled"])], ONE, {"as-1": "enrolled"},
    ),
    "another org's assignment of the same id": (
        [*USUAL, ("ledger", ["other", "as-1", ADA, AID, "rejected"])], ONE, {"as-1": "enroll"},
    ),
    "enrolled by us, and the match has moved since": (
        [*USUAL, ("ledger", [ORG, "as-1", BEA, FIRE, "enrolled"])], ONE, {"as-1": "done"},
    ),
    "un-enrolled by an admin": ([*USUAL, ("enrollment", [E1, ADA, AID, True, GONE])], ONE, {"as-1": "done"}),
    "refused before": ([*USUAL, ("ledger", [ORG, "as-1", ADA, AID, "rejected"])], ONE, {"as-1": "held"}),
    "refused before, for another course": (
        [*USUAL, ("ledger", [ORG, "as-1", ADA, FIRE, "rejected"])], ONE, {"as-1": "enroll"},
    ),
    "put off": ([*USUAL, ("ledger", [ORG, "as-1", ADA, AID, "deferred"])], ONE, {"as-1": "enroll"}),
    "killed over": ([*USUAL, ("ledger", [ORG, "as-1", ADA, AID, "sending"])], ONE, {"as-1": "enroll"}),
    "nobody": (USUAL, [("as-1", OTHER, ITEM), ("as-2", None, ITEM), ("as-3", " ", ITEM)],
               dict.fromkeys(("as-1", "as-2", "as-3"), "unknown_learner")),
    "a GUID that is no user": (USUAL, [("as-1", E1, ITEM)], {"as-1": "unknown_learner"}),
    "an unmatched learner who was matched once": (
        [*USUAL, ("match", [BEA, "unmatched", None, None, OTHER, None])], [("as-1", OTHER, ITEM)],
        {"as-1": "unknown_learner"},
    ),
    "a learner whose match became ambiguous": (
        [*USUAL, ("match", [BEA, "ambiguous", None, None, OTHER, None])], [("as-1", OTHER, ITEM)],
        {"as-1": "ambiguous_learner"},
    ),
    "two learners are one person": (
        [*USUAL, ("match", [BEA, "matched", PERSON, None, PERSON, None])], ONE, {"as-1": "ambiguous_learner"},
    ),
    "a person whom two learners share": (
        [*USUAL[:2], *USUAL[3:], ("shared", [ADA, PERSON]), ("shared", [BEA, PERSON])], ONE,
        {"as-1": "ambiguous_learner"},
    ),
    "an inactive twin does not make it ambiguous": (
        [("user", [ADA, 0, None]), ("user", [BEA, 1, None]), *USUAL[2:],
         ("match", [BEA, "matched", PERSON, None, PERSON, None])], ONE, {"as-1": "enroll"},
    ),
    "no course": (USUAL, [("as-1", PERSON, ITEM2), ("as-2", PERSON, None), ("as-3", PERSON, E1)],
                  dict.fromkeys(("as-1", "as-2", "as-3"), "unknown_course")),
    "two courses of the item's name": (
        [*USUAL[:5], ("item", [AID, "ambiguous", "name", None]), ("native", [ITEM, " FIRST AID"])], ONE,
        {"as-1": "ambiguous_course"},
    ),
    "two courses are one item": (
        [*USUAL, ("item", [FIRE, "matched", "crosswalk", ITEM])], ONE, {"as-1": "ambiguous_course"},
    ),
    "an inactive learner": ([("user", [ADA, 1, None]), *USUAL[1:]], ONE, {"as-1": "inactive_learner"}),
    "a learner who is gone": ([("user", [ADA, 0, GONE]), *USUAL[1:]], ONE, {"as-1": "inactive_learner"}),
    "an inactive learner who is enrolled": (
        [("user", [ADA, 1, None]), *USUAL[1:], ("enrollment", [E1, ADA, AID, True, None])], ONE, {"as-1": "enrolled"},
    ),
    "an inactive course": (
        [*USUAL[:3], ("course", [AID, "First Aid", 1, None]), *USUAL[5:]], ONE, {"as-1": "inactive_course"},
    ),
    "a course that is gone": (
        [*USUAL[:3], ("course", [AID, "First Aid", 0, GONE]), *USUAL[5:]], ONE, {"as-1": "inactive_course"},
    ),
    "two assignments of the same": (
        USUAL, [("as-2", PERSON, ITEM), ("as-1", ADA, AID), ("as-3", PERSON, FIRE)],
        {"as-1": "enroll", "as-2": "duplicate", "as-3": "enroll"},
    ),
    "another assignment of what was refused": (
        [*USUAL, ("ledger", [ORG, "as-1", ADA, AID, "rejected"])], [*ONE, ("as-2", PERSON, ITEM)],
        {"as-1": "held", "as-2": "duplicate"},
    ),
    "a record that came twice": (USUAL, [*ONE, *ONE], {"as-1": "enroll"}),
    "no assignments": (USUAL, [], {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plan") / "warehouse.duckdb"


@pytest.fixture
def connection(file: Path) -> Iterator[Connection]:
    """An empty warehouse; what a test puts there is rolled back."""
    with Warehouse(file).connect() as opened:
        opened.execute("BEGIN")
        yield opened
        opened.execute("ROLLBACK")


def planned(
    connection: Connection, known: list[tuple[str, list[Any]]], asked: list[tuple[Any, ...]], folder: Path, **names: Any
) -> dict[str, str]:
    for kind, values in known:
        connection.execute(INSERTS[kind], values)
    path = folder / "asked.ndjson"
    keys = ("assignment_id", "learner", "course")
    path.write_text("".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in asked), "utf-8")
    values = {"files": [str(path)], "tenant_id": "default", "org_id": ORG, "retry": False} | names
    connection.execute(sql("plan"), values)
    return dict(connection.execute("SELECT assignment_id, outcome FROM assignment_plan").fetchall())


@pytest.mark.parametrize("name", CASES)
def test_each_situation_has_one_outcome(connection: Connection, tmp_path: Path, name: str) -> None:
    known, asked, expected = CASES[name]
    assert planned(connection, known, list(asked), tmp_path) == expected


def test_every_outcome_is_in_the_table_and_explained() -> None:
    met = {outcome for _, _, expected in CASES.values() for outcome in expected.values()}
    assert met == set(MEANINGS)


def test_a_retry_lets_refused_ones_through(connection: Connection, tmp_path: Path) -> None:
    known = [*USUAL, ("ledger", [ORG, "as-1", ADA, AID, "rejected"])]
    assert planned(connection, known, list(ONE), tmp_path, retry=True) == {"as-1": "enroll"}


def test_another_tenant_knows_nothing_of_it(connection: Connection, tmp_path: Path) -> None:
    assert planned(connection, USUAL, list(ONE), tmp_path, tenant_id="other") == {"as-1": "unknown_learner"}


# -- the query --------------------------------------------------------------------------------------------------------

PREFIX = "LEARNSYNC_ASSIGNMENTS__"
GOOD = [
    {},
    {"query": "select id, Assigneeid ,\n LearningItemId from LearningItemAssignment limit 5"},
    {"query": "SELECT FIELDS(STANDARD) FROM LearningItemAssignment LIMIT 200"},
    {"query": "SELECT Id, P__r.A__c, C__r.A__c FROM T__c", "learner_field": "P__r.A__c", "course_field": "c__r.a__c"},
]
BAD = {
    "no query": ({"query": "DELETE FROM Users"}, f"{PREFIX}QUERY is not a SOQL query"),
    "no id": ({"query": "SELECT AssigneeId, LearningItemId FROM X"}, f"{PREFIX}QUERY does not select Id."),
    "no learner": (
        {"query": "SELECT Id, LearningItemId FROM X"},
        f"select AssigneeId, which {PREFIX}LEARNER_FIELD names",
    ),
    "no course": ({"course_field": "C__r.Id__c"}, f"select C__r.Id__c, which {PREFIX}COURSE_FIELD names"),
}


@pytest.mark.parametrize("values", GOOD)
def test_a_query_that_selects_what_is_needed_passes(values: dict[str, str]) -> None:
    check_query(AssignmentSettings(**values))


@pytest.mark.parametrize("name", BAD)
def test_a_query_that_does_not_is_refused_by_name(name: str) -> None:
    values, named = BAD[name]
    with pytest.raises(SettingsError) as caught:
        check_query(AssignmentSettings(**values))
    assert named in caught.value.message
    assert caught.value.remedy


def test_records_are_read_by_dotted_paths_in_any_letter_case() -> None:
    section = AssignmentSettings(learner_field="person__R.absorb__c", course_field="Course__c")
    record = {"attributes": {}, "Id": "as-1", "Person__r": {"Absorb__c": ADA}, "Course__c": None}
    none = {"start_at": None, "due_at": None}
    assert read_record(section, record) == {"assignment_id": "as-1", "learner": ADA, "course": None, **none}
    assert read_record(section, record | {"Person__r": None})["learner"] is None
    for broken in ({"Id": None}, {"Person__r": {}}, {"Person__r": {"Absorb__c": {}}}, {"Person__r": "text"}):
        with pytest.raises(SettingsError, match=f"{PREFIX}QUERY does not select"):
            read_record(section, record | broken)


def test_dates_of_a_record_are_read_where_they_are_selected() -> None:
    section = AssignmentSettings(due_field="Until__c")
    record = {"Id": "as-1", "AssigneeId": ADA, "LearningItemId": AID, "Until__c": "2026-03-31"}
    found = read_record(section, record | {"StartDate": "2026-03-01T08:30:00.000+0000"})
    assert (found["start_at"], found["due_at"]) == ("2026-03-01T08:30:00+00:00", "2026-03-31T00:00:00+00:00")
    with pytest.raises(SettingsError, match=f"{PREFIX}DUE_FIELD = Until__c holds 'soon'"):
        read_record(section, record | {"Until__c": "soon"})
    with pytest.raises(SettingsError, match=f"{PREFIX}DUE_FIELD names"):  # it was set, so it must be there
        check_query(section)
    check_query(AssignmentSettings(query="SELECT Id, AssigneeId, LearningItemId FROM X"))


def test_a_field_that_is_no_path_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}LEARNER_FIELD", "Name; DROP")
    with pytest.raises(SettingsError, match=f"{PREFIX}LEARNER_FIELD"):
        load_settings()


def test_it_is_off_unless_turned_on() -> None:
    section = load_settings().assignments
    assert section.enabled is False
    check_query(section)
