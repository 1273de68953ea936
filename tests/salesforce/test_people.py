"""Two learners and one person, matches by hand and by any field, and which contacts are read and kept."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from started import Start, portal_of, started
from support import Row, query, records

from connector.canonical.match import match, match_learners
from connector.cli.commands import status
from connector.cli.commands.doctor import examine
from connector.errors import PreflightError
from connector.salesforce.readback import people
from connector.salesforce.readback.readback import ReadbackOptions
from connector.sandbox.org.rows.ids import to_18
from connector.sandbox.org.schema.model import FieldSchema
from connector.sandbox.server import Sandbox
from connector.settings import Settings, load_settings
from connector.sync import run_match, run_publish, run_pull, run_push
from connector.warehouse.database import Connection, Warehouse
from mappings import Mapping, load_mapping

HEADER = "learner_by,learner,salesforce_id,tenant_id\n"
ENROLLMENT = "LMS_Enrollment__c"


# -- the rules, as a table --------------------------------------------------------------------------------------------


def person(number: int, prefix: str = "005") -> str:
    return str(to_18(f"{prefix}5g00000AbCd{number}"))


P1, P2, C1 = person(1), person(2), person(3, "003")


def learner(number: int) -> str:
    return f"a0000000-0000-4000-8000-00000000000{number}"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("people") / "warehouse.duckdb"


@pytest.fixture
def connection(file: Path) -> Iterator[Connection]:
    """An empty warehouse; what a test puts there is rolled back."""
    with Warehouse(file).connect() as opened:
        opened.execute("BEGIN")
        yield opened
        opened.execute("ROLLBACK")


def with_crosswalk(folder: Path, *lines: str) -> Mapping:
    (folder / "learner_crosswalk.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines), "utf-8")
    return load_mapping(folder)


def put(connection: Connection, learners: list[Row], found: list[Row]) -> None:
    """Learners, numbered from 1 on, and people: Users where they have no `contact`."""
    for number, row in enumerate(learners, 1):
        values = {"tenant_id": "default", "id": learner(number), "_run_id": "run", **row}
        columns = ", ".join(values)
        marks = ", ".join("?" * len(values))
        connection.execute(
            f"INSERT INTO absorb.users ({columns}, _loaded_at) VALUES ({marks}, now())", [*values.values()]
        )
    for row in found:
        table = "contacts" if row["Id"].startswith("003") else "users"
        values = {"tenant_id": "default", **({"IsActive": True} if table == "users" else {}), **row}
        columns = ", ".join(f'"{name}"' for name in values)
        connection.execute(
            f"INSERT INTO salesforce.{table} ({columns}) VALUES ({', '.join('?' * len(values))})", [*values.values()]
        )


def outcomes(connection: Connection, maps: Mapping) -> list[tuple[Any, ...]]:
    """(outcome, person, whom records in the org keep) of each learner."""
    match_learners(connection, maps, "default")
    return connection.execute(
        "SELECT outcome, coalesce(salesforce_user_id, salesforce_contact_id), coalesce(last_user_id, last_contact_id)"
        " FROM salesforce.learner_matches ORDER BY user_id"
    ).fetchall()


A = {"external_id": "E-1", "email_address": "ada@example.org", "username": "ada"}
B = {"external_id": "E-1", "email_address": "bob@example.org", "username": "bob"}
USER_1 = {"Id": P1, "FederationIdentifier": "E-1", "Email": "ada@example.org"}
USER_2 = {"Id": P2, "FederationIdentifier": "E-2", "Email": "bob@example.org"}
CONTACT_1 = {"Id": C1, "Email": "team@example.org"}
COLLISION, NOBODY = ("collision", None, None), ("unmatched", None, None)
FIRST, SECOND = ("matched", P1, P1), ("matched", P2, P2)
# learners, people, lines of the crosswalk, what each learner is
CASES: dict[str, tuple[list[Row], list[Row], list[str], list[tuple[Any, ...]]]] = {
    "two people of their own": ([A, {**B, "external_id": "E-2"}], [USER_1, USER_2], [], [FIRST, SECOND]),
    "one external id": ([A, B], [USER_1, USER_2], [], [COLLISION, COLLISION]),
    "one external id, one learner inactive": ([A, {**B, "active_status": 1}], [USER_1], [], [COLLISION, COLLISION]),
    "one by external id, one by address": (
        [{"external_id": "E-1"}, {"external_id": "E-9", "email_address": "Ada@Example.org"}], [USER_1], [],
        [COLLISION, COLLISION],
    ),
    "one address of a contact": (
        [{"email_address": "team@example.org"}, {"email_address": "TEAM@example.org"}], [CONTACT_1], [],
        [COLLISION, COLLISION],
    ),
    "who is gone from Absorb keeps nobody from their person": (
        [A, {**B, "_removed_at": "2026-01-01T00:00:00Z"}], [USER_1], [], [FIRST, COLLISION],
    ),
    "an ambiguous learner claims nobody": (
        [A, {"email_address": "x@example.org"}],
        [{**USER_1, "Email": "x@example.org"}, {**USER_2, "Email": "x@example.org"}], [],
        [FIRST, ("ambiguous", None, None)],
    ),
    "by hand it is one of them": ([A, B], [USER_1], [f"id,{learner(1)},{P1},"], [FIRST, COLLISION]),
    "by hand it is both": (
        [A, B], [USER_1], [f"username,ADA,{P1},", f"username,bob,{P1[:15]},default"], [FIRST, FIRST],
    ),
    "by hand one of them is nobody": ([A, B], [USER_1], ["username,bob,nobody,"], [FIRST, NOBODY]),
    "by hand before all rules": ([A], [USER_1, USER_2], [f"external_id,e-1,{P2},"], [SECOND]),
    "by hand a contact": ([A], [USER_1, CONTACT_1], [f"external_id,E-1,{C1},"], [("matched", C1, C1)]),
    "by hand a user who has left": ([{}], [{**USER_2, "IsActive": False}], [f"id,{learner(1)},{P2},"], [SECOND]),
    "a person whom the org does not have": ([A], [USER_1], [f"external_id,E-1,{P2},"], [("not_in_org", None, None)]),
    "a line that names two learners": (
        [A, B], [USER_1], [f"external_id,E-1,{P1},"], [("ambiguous", None, None), ("ambiguous", None, None)],
    ),
    "two lines that disagree": (
        [A], [USER_1, USER_2], [f"username,ada,{P1},", f"external_id,E-1,{P2},"], [("ambiguous", None, None)],
    ),
    "two lines that agree": ([A], [USER_1], [f"username,ada,{P1},", f"external_id,E-1,{P1[:15]},"], [FIRST]),
    "a line for another tenant": ([A], [USER_1, USER_2], [f"external_id,E-1,{P2},other"], [FIRST]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_who_a_learner_is(connection: Connection, tmp_path: Path, name: str) -> None:
    learners, found, lines, expected = CASES[name]
    put(connection, learners, found)
    assert outcomes(connection, with_crosswalk(tmp_path, *lines)) == expected
    # Again, with what the first matching left behind.
    assert [row[:2] for row in outcomes(connection, load_mapping(tmp_path))] == [row[:2] for row in expected]


def test_what_is_to_be_settled_by_hand_is_said_by_name(connection: Connection, tmp_path: Path) -> None:
    put(connection, [A, B, {"username": "eve"}], [USER_1])
    maps = with_crosswalk(tmp_path, f"username,eve,{P2},", f"username,nobody.like.that,{P1},")
    notes = match(connection, maps, "default").notes
    unseen = "whom the org does not have or hides from the run-as user"
    rule = "(federation_identifier)"
    assert notes == [
        "learner_crosswalk.csv line 3 names no learner of Absorb by username",
        f"learner {learner(3)}: learner_crosswalk.csv line 2 names {P2}, {unseen}",
        f"User {P1} is matched by 2 learners: {learner(1)} {rule}, {learner(2)} {rule}",
    ]


def test_a_collision_leaves_the_records_in_the_org_as_they_are_and_nobody_takes_the_person_away(
    connection: Connection, tmp_path: Path
) -> None:
    put(connection, [A], [USER_1])
    assert outcomes(connection, load_mapping()) == [FIRST]
    connection.execute("UPDATE absorb.users SET username = 'ada'")
    put_second = {"tenant_id": "default", "id": learner(2), "_run_id": "run", "external_id": "E-1"}
    connection.execute(
        f"INSERT INTO absorb.users ({', '.join(put_second)}, _loaded_at) VALUES (?, ?, ?, ?, now())",
        [*put_second.values()],
    )
    assert outcomes(connection, load_mapping()) == [("collision", None, P1), COLLISION]
    by_hand = with_crosswalk(tmp_path, "username,ada,nobody,", f"id,{learner(2)},{P1},")
    assert outcomes(connection, by_hand) == [NOBODY, FIRST]


# -- through a portal and an org --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    return started(tmp_path_factory.mktemp("start"), scale=120, courses=3)


@pytest.fixture
def sandbox(start: Start) -> Iterator[Sandbox]:
    """A portal with the rows of `start`, and an org of this test's own."""
    with portal_of(start) as running:
        yield running


@pytest.fixture
def ready(
    start: Start, sandbox: Sandbox, settings: Settings, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:  # fmt: skip
    """Pulled and built, nothing pushed yet; the maps may be overridden in the folder `maps`."""
    shutil.copy(start.warehouse, settings.warehouse.path)
    (tmp_path / "maps").mkdir()
    monkeypatch.setenv("LEARNSYNC_MAPPING__DIR", str(tmp_path / "maps"))
    return load_settings()


def learners_of(settings: Settings, where: str = "true") -> list[Row]:
    """Learners with enrollments, and their matches."""
    return records(
        Warehouse.of(settings),
        "SELECT u.id, u.username, u.external_id, lower(u.email_address) AS address, m.* EXCLUDE (user_id),"
        " (SELECT count(*) FROM absorb.enrollments AS e WHERE e.user_id = u.id) AS enrollments"
        " FROM absorb.users AS u JOIN salesforce.learner_matches AS m ON m.user_id = u.id"
        f" WHERE enrollments > 0 AND {where} ORDER BY u.id",
    )


def change_learner(sandbox: Sandbox, learner_id: Any, **changes: Any) -> None:
    """Change a user of the portal, as its administrator would."""
    row = sandbox.portal.get("users", str(learner_id))
    assert row is not None
    edited = sandbox.portal.stamp().replace(tzinfo=None).isoformat()
    sandbox.portal.load("users", [row | changes | {"dateEdited": edited}])


def queries(sandbox: Sandbox) -> int:
    return sum(calls for name, calls in sandbox.org.calls.items() if re.search(r"GET .*/?query", name))


def test_two_learners_with_one_external_id_are_blocked_until_somebody_decides(
    sandbox: Sandbox, ready: Settings, tmp_path: Path
) -> None:
    assert run_match(ready).notes == []
    first, second = learners_of(ready, "rule = 'federation_identifier' AND outcome = 'matched'")[:2]
    change_learner(sandbox, second["id"], externalId=first["external_id"])
    run_pull(ready)
    report = run_push(ready)
    both = first["enrollments"] + second["enrollments"]
    enrollments = report.targets["lms_enrollment"]
    assert report.complete
    assert (report.learners["collision"], enrollments.blocked["collision"]) == (2, both)
    assert all(str(one["id"]) in report.notes[0] for one in (first, second))
    theirs = {row["Learner_User__c"] for row in sandbox.org.records(ENROLLMENT)}
    assert first["salesforce_user_id"] not in theirs
    states = {row["state"]: row["enrollments"] for row in status.collect(ready).accounting}
    assert states["blocked: learner collision"] == both
    assert [one.verdict for one in examine() if one.check == "learners"] == ["warn"]

    line = f"username,{first['username']},{first['salesforce_user_id']},"
    with_crosswalk(tmp_path / "maps", line)
    decided = run_push(ready).targets["lms_enrollment"]
    assert (decided.created, decided.blocked["collision"]) == (first["enrollments"], second["enrollments"])
    with_crosswalk(tmp_path / "maps")
    again = run_push(ready)
    assert again.targets["lms_enrollment"].sent == 0, "a record in the org keeps its person"
    states = {row["state"]: row["enrollments"] for row in status.collect(ready).accounting}
    assert states["in Salesforce: learner collision"] == first["enrollments"]
    assert again.learners["collision"] == 2


def test_a_person_by_hand_whom_the_org_does_not_have_is_listed_and_blocked(
    sandbox: Sandbox, ready: Settings, tmp_path: Path
) -> None:
    run_match(ready)
    known, other = learners_of(ready, "outcome = 'matched'")[:2]
    with_crosswalk(tmp_path / "maps", f"id,{known['id']},{person(7)},", f"id,{other['id']},{person(7, '003')},")
    report = run_push(ready)
    assert report.targets["lms_enrollment"].blocked["not_in_org"] == known["enrollments"] + other["enrollments"]
    assert [word for note in report.notes for word in re.findall(r"line \d names \w+", note)] == [
        f"line {line} names {person(7, prefix)}"
        for _, line, prefix in sorted([(known["id"], 2, "005"), (other["id"], 3, "003")])
    ]
    finding = next(one for one in examine() if one.check == "salesforce people")
    assert (finding.verdict, "line 2, 3" in finding.text) == ("warn", True)


def test_a_learner_is_matched_by_a_custom_field_and_an_org_without_it_is_told_so(
    sandbox: Sandbox, ready: Settings, tmp_path: Path
) -> None:
    rules = "rule,absorb_field,salesforce,active_only\nby_number,external_id,User.Employee_Id__c,yes\n"
    rules += "by_reference,external_id,Contact.learner_number__c,no\n"
    (tmp_path / "maps" / "learner_matching.csv").write_text(rules, "utf-8")
    with pytest.raises(PreflightError, match=r"User\.Employee_Id__c, which learner_matching\.csv compares"):
        run_push(ready)
    finding = next(one for one in examine() if one.check == "salesforce people")
    assert finding.verdict == "fail"
    assert "User.Employee_Id__c" in finding.text
    assert "Contact.learner_number__c" in finding.text

    sandbox.org.schema("User").fields["employee_id__c"] = FieldSchema("Employee_Id__c", "string", "Employee", length=40)
    sandbox.org.schema("Contact").fields["learner_number__c"] = FieldSchema(
        "Learner_Number__c", "string", "Learner", length=40
    )
    one, two = query(
        Warehouse.of(ready),
        "SELECT id, external_id FROM absorb.users WHERE external_id IS NOT NULL ORDER BY id LIMIT 2",
    )
    user = sandbox.org.add("User", LastName="N", Username="n@x.y", Email="n@x.y", IsActive=True, Employee_Id__c=one[1])
    contact = sandbox.org.add("Contact", LastName="M", Name="M", Learner_Number__c=two[1].lower())
    sandbox.org.add("Contact", LastName="Other", Name="Other", Learner_Number__c="nobody's")
    assert run_push(ready).learners["matched"] == 2
    matched = query(
        Warehouse.of(ready),
        "SELECT user_id, rule, coalesce(salesforce_user_id, salesforce_contact_id) FROM salesforce.learner_matches"
        " WHERE outcome = 'matched' ORDER BY user_id",
    )
    assert matched == [(one[0], "by_number", user), (two[0], "by_reference", contact)]
    assert query(Warehouse.of(ready), 'SELECT "Id" FROM salesforce.contacts') == [(contact,)]
    assert next(it for it in examine() if it.check == "salesforce people").verdict == "ok"


@pytest.mark.parametrize(("kind", "value", "changes"), [
    ("double", 77.0, {}),  # the org refuses a quoted number in a list
    ("string", "77", {"caseSensitive": True}),  # a list would miss another letter case
])  # fmt: skip
def test_a_field_that_no_list_finds_is_looked_for_among_all_contacts(
    sandbox: Sandbox,
    ready: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    value: Any,
    changes: Row,
) -> None:
    rules = "rule,absorb_field,salesforce,active_only\nby_number,employee_number,Contact.Number__c,no\n"
    (tmp_path / "maps" / "learner_matching.csv").write_text(rules, "utf-8")
    sandbox.org.schema("Contact").fields["number__c"] = FieldSchema("Number__c", kind, "Number", length=40)
    described = FieldSchema.describe
    monkeypatch.setattr(FieldSchema, "describe", lambda field: described(field) | changes)
    contact = sandbox.org.add("Contact", LastName="N", Name="N", Number__c=value)
    sandbox.org.add("Contact", LastName="M", Name="M", Number__c=None)
    with Warehouse.of(ready).transaction() as connection:
        connection.execute(
            "UPDATE absorb.users SET employee_number = '77' WHERE id = (SELECT min(id) FROM absorb.users)"
        )
    read = run_match(ready).objects["Contact"]
    assert (read.rows, read.full) == (1, "first read")
    assert query(Warehouse.of(ready), 'SELECT "Id" FROM salesforce.contacts') == [(contact,)]
    monkeypatch.setattr(FieldSchema, "describe", lambda field: described(field) | {"filterable": False})
    with pytest.raises(PreflightError, match=r"Contact\.Number__c, .* cannot be filtered by"):
        run_match(ready)


# -- which contacts are read and kept ---------------------------------------------------------------------------------


def strangers(sandbox: Sandbox, number: int) -> list[str]:
    """Contacts of people who learn nothing."""
    return [
        sandbox.org.add("Contact", LastName=f"S{at}", Name=f"S{at}", Email=f"stranger{at}@shop.example")
        for at in range(number)
    ]


def age(sandbox: Sandbox) -> None:
    """Make every contact look older than an increment looks back."""
    for row in sandbox.org.table("Contact").rows.values():
        row["SystemModstamp"] = "2026-01-01T00:00:00.000+0000"


def read_in_full(settings: Settings, folder: Path) -> tuple[list[Row], int]:
    """The matches of a warehouse that has never read people, and how many contacts it read for them."""
    folder.mkdir()
    with Warehouse.of(settings).connect() as connection:
        connection.execute("CHECKPOINT warehouse")
    shutil.copy(settings.warehouse.path, folder / "warehouse.duckdb")
    fresh = load_settings(warehouse={"path": folder / "warehouse.duckdb", "publish_path": folder / "p.duckdb"})
    with Warehouse.of(fresh).transaction() as connection:
        for table in ("users", "contacts", "contact_keys", "checkpoints", "learner_matches"):
            connection.execute(f"DELETE FROM salesforce.{table}")
    report = run_match(fresh)
    return matches(fresh), report.objects["Contact"].rows


def matches(settings: Settings) -> list[Row]:
    columns = "user_id, outcome, rule, hits, salesforce_user_id, salesforce_contact_id, shared_id"
    return records(Warehouse.of(settings), f"SELECT {columns} FROM salesforce.learner_matches ORDER BY user_id")


def test_contacts_that_match_nobody_are_neither_kept_nor_published(
    sandbox: Sandbox, ready: Settings, tmp_path: Path
) -> None:
    unknown = strangers(sandbox, 30)
    warehouse = Warehouse.of(ready)
    run_match(ready)
    held = "SELECT count(*) FROM salesforce.contacts"
    strange = (
        f"{held} WHERE lower(\"Email\") NOT IN (SELECT lower(email_address) FROM absorb.users WHERE email_address > '')"
    )
    [(kept,)] = query(warehouse, held)
    assert (kept > 0, query(warehouse, strange)) == (True, [(0,)])
    before = matches(ready)
    with warehouse.transaction() as connection:  # as the version before this one left it
        connection.execute("DELETE FROM salesforce.contact_keys")
        connection.execute(
            "INSERT INTO salesforce.contacts (tenant_id, \"Id\", \"Email\") SELECT 'default', unnest(?), 'x@y.z'",
            [unknown],
        )
    run_push(ready)
    run_publish(ready)
    assert matches(ready) == before
    with duckdb.connect(str(ready.warehouse.publish_path), read_only=True) as copy:
        published = copy.execute('SELECT "Id" FROM salesforce.contacts ORDER BY ALL').fetchall()
    assert published == query(warehouse, 'SELECT "Id" FROM salesforce.contacts ORDER BY ALL')
    assert (len(published), query(warehouse, strange)) == (kept, [(0,)])

    only_users = "rule,absorb_field,salesforce,active_only\nby_email,email_address,User.Email,yes\n"
    (tmp_path / "maps" / "learner_matching.csv").write_text(only_users, "utf-8")
    run_match(ready)
    assert query(warehouse, held) == [(0,)]


def test_contacts_are_read_by_address_where_that_costs_fewer_calls(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = strangers(sandbox, 200)
    everybody = len(sandbox.org.records("Contact"))
    monkeypatch.setattr(people, "LIST_BYTES", 150)  # several lists for a portal of this size
    monkeypatch.setattr(people, "PAGE", 50)  # as if the org had forty times as many contacts
    first = run_match(ready)
    found = matches(ready)
    assert first.objects["Contact"].rows == everybody, "a few pages are fewer calls than the lists"
    [(kept,)] = query(Warehouse.of(ready), "SELECT count(*) FROM salesforce.contacts")
    assert 0 < kept <= everybody - 200

    monkeypatch.setattr(people, "PAGE", 2)
    assert read_in_full(ready, tmp_path / "lists") == (found, kept)

    monkeypatch.setattr(people, "LIST_BYTES", 12_000)
    lately = (sandbox.org.now() - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    for contact in there[:10]:  # five pages of changes for one list
        sandbox.org.table("Contact").rows[contact]["SystemModstamp"] = lately
    again = run_match(ready).objects["Contact"]
    assert (again.rows, again.full) == (kept, "fewer calls than for its changes")
    assert matches(ready) == found


def test_a_learner_who_is_new_or_has_a_new_address_finds_a_contact_that_has_not_changed(
    sandbox: Sandbox, ready: Settings, tmp_path: Path
) -> None:
    there = strangers(sandbox, 3)
    age(sandbox)
    run_match(ready)
    gone = learners_of(ready, "m.rule = 'contact_email' AND m.outcome = 'matched'")[0]
    found, new = learners_of(ready, "m.outcome = 'unmatched' AND u.email_address IS NOT NULL")[:2]
    change_learner(sandbox, found["id"], emailAddress="Stranger0@shop.example")
    change_learner(sandbox, gone["id"], emailAddress="stranger1@shop.example")
    change_learner(sandbox, new["id"], emailAddress=gone["address"])
    run_pull(ready)
    run_match(ready)
    now = {row["user_id"]: row["salesforce_contact_id"] for row in matches(ready)}
    assert [now[one["id"]] for one in (found, gone, new)] == [there[0], there[1], gone["salesforce_contact_id"]]
    assert matches(ready) == read_in_full(ready, tmp_path / "full")[0]
    held = 'SELECT list("Id") FROM salesforce.contacts'
    warehouse = Warehouse.of(ready)
    [(contacts,)] = query(warehouse, held)
    assert (there[0] in contacts, there[2] in contacts) == (True, False)

    for address, is_held in ((None, False), ("stranger0@shop.example", True)):
        with warehouse.transaction() as connection:
            change = "UPDATE absorb.users SET email_address = ? WHERE id = ?"
            connection.execute(change, [address, found["id"]])
        run_match(ready)
        [(contacts,)] = query(warehouse, held)
        assert (there[0] in contacts) is is_held
    assert {row["user_id"]: row["salesforce_contact_id"] for row in matches(ready)}[found["id"]] == there[0]


@pytest.mark.parametrize("full", [False, True])
def test_a_contact_that_nobody_matches_any_more_is_looked_up_until_it_is_deleted(
    sandbox: Sandbox, ready: Settings, full: bool
) -> None:
    run_match(ready)
    one = learners_of(ready, "m.rule = 'contact_email' AND m.outcome = 'matched'")[0]
    contact = one["salesforce_contact_id"]
    kept = 'SELECT last_contact_id, (SELECT count(*) FROM salesforce.contacts WHERE "Id" = $id)'
    kept += " FROM salesforce.learner_matches WHERE user_id = $user"
    values = {"id": contact, "user": one["id"]}
    sandbox.org.set_values("Contact", contact, Email="elsewhere@shop.example")
    run_match(ready)
    assert query(Warehouse.of(ready), kept, values) == [(contact, 0)]
    sandbox.org.delete("Contact", [contact])
    run_match(ready, ReadbackOptions(full=full))
    assert query(Warehouse.of(ready), kept, values) == [(None, 0)]


def test_a_repeated_read_asks_for_no_address_again(sandbox: Sandbox, ready: Settings) -> None:
    age(sandbox)
    run_match(ready)
    before = queries(sandbox)
    contacts = run_match(ready).objects["Contact"]
    assert (contacts.rows, contacts.full) == (0, "")
    assert queries(sandbox) - before == 3, "one each for users, contacts and learning items"


@pytest.mark.parametrize("value", ["o'hara@example.org", "back\\slash@example.org", "ä+%&=@example.org", "two words"])
def test_any_address_can_be_asked_for(sandbox: Sandbox, ready: Settings, value: str) -> None:
    contact = sandbox.org.add("Contact", LastName="Odd", Name="Odd", Email=value.upper())
    with Warehouse.of(ready).transaction() as connection:
        connection.execute(
            "UPDATE absorb.users SET email_address = ? WHERE id = (SELECT min(id) FROM absorb.users)", [f" {value} "]
        )
    run_match(ready)
    assert query(Warehouse.of(ready), 'SELECT count(*) FROM salesforce.contacts WHERE "Id" = ?', [contact]) == [(1,)]


def test_a_list_of_addresses_fits_into_a_get_and_names_each_once() -> None:
    values = [f"somebody+{number}@a-company-of-some-size.example" for number in range(2_000)]
    lists = list(people.in_lists("Email", values))
    assert 8 < len(lists) < 20
    assert [value for one in lists for value in re.findall(r"'([^']*)'", one)] == values
    assert list(people.in_lists("Email", [])) == []
