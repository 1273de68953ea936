"""Which Salesforce person an Absorb learner is: the ordered rules as a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Row

from connector.canonical.match import match_learners
from connector.sandbox.server import Sandbox
from connector.settings import Settings
from connector.sync import run_build, run_match, run_pull, run_push
from connector.warehouse.database import Connection, Warehouse
from mappings import Mapping, load_mapping

LEARNER = "a0000000-0000-4000-8000-000000000001"
USERS = "INSERT INTO salesforce.users VALUES"
FEDERATION, EMAIL, CONTACT = "federation_identifier", "user_email", "contact_email"


def user(
    key: str, federation: str | None = None, email: str | None = None, active: bool | None = True
) -> tuple[Any, ...]:
    return ("User", key, federation, email, f"{key}@org.example", active)


def contact(key: str, email: str | None) -> tuple[Any, ...]:
    return ("Contact", key, None, email, None, None)


def matched(connection: Connection, maps: Mapping, learner: dict[str, Any], found: list[tuple[Any, ...]]) -> Row:
    """The match of one learner against these people."""
    columns = {"external_id": None, "email_address": None, "username": None, "employee_number": None} | learner
    connection.execute(
        f"INSERT INTO absorb.users (tenant_id, id, {', '.join(columns)}, _loaded_at, _run_id)"
        " VALUES ('default', ?, ?, ?, ?, ?, now(), 'run')",
        [LEARNER, *columns.values()],
    )
    for kind, key, federation, email, username, active in found:
        if kind == "User":
            values = [key, federation, email, username, active]
            connection.execute(f"{USERS} ('default', ?, ?, ?, ?, ?, now(), NULL, NULL)", values)
        else:
            connection.execute(
                "INSERT INTO salesforce.contacts VALUES ('default', ?, ?, now(), false, NULL, NULL)", [key, email]
            )
    match_learners(connection, maps, "default")
    result = connection.execute("FROM salesforce.learner_matches")
    names = [column[0] for column in result.description]
    (row,) = result.fetchall()
    return dict(zip(names, row, strict=True))


ADA = {"external_id": "E-100", "email_address": "ada@example.org"}
# learner, people of the org, (outcome, rule, hits, user, contact)
CASES: dict[str, tuple[dict[str, Any], list[tuple[Any, ...]], tuple[Any, ...]]] = {
    "federation id": (ADA, [user("U1", "E-100", "x@y.z")], ("matched", FEDERATION, 1, "U1", None)),
    "federation id before e-mail": (
        ADA, [user("U1", "E-100", "x@y.z"), user("U2", None, "ada@example.org"), contact("C1", "ada@example.org")],
        ("matched", FEDERATION, 1, "U1", None),
    ),
    "federation id in another letter case": (ADA, [user("U1", "e-100")], ("matched", FEDERATION, 1, "U1", None)),
    "blanks around do not matter": (
        {"external_id": " E-100 "}, [user("U1", "E-100 ")], ("matched", FEDERATION, 1, "U1", None),
    ),
    "e-mail when no federation id fits": (
        ADA, [user("U1", "E-999", "ADA@Example.org")], ("matched", EMAIL, 1, "U1", None),
    ),
    "a user's e-mail before a contact's": (
        ADA, [user("U1", None, "ada@example.org"), contact("C1", "ada@example.org")],
        ("matched", EMAIL, 1, "U1", None),
    ),
    "contact last": (ADA, [user("U1", "E-1"), contact("C1", "Ada@EXAMPLE.org")], ("matched", CONTACT, 1, None, "C1")),
    "an inactive user is nobody": (
        ADA, [user("U1", "E-100", "ada@example.org", False)], ("unmatched", None, 0, None, None),
    ),
    "a user of unknown activity is nobody": (
        ADA, [user("U1", "E-100", None, None)], ("unmatched", None, 0, None, None),
    ),
    "an inactive user gives way to the e-mail of an active one": (
        ADA, [user("U1", "E-100", None, False), user("U2", None, "ada@example.org")],
        ("matched", EMAIL, 1, "U2", None),
    ),
    "an inactive user gives way to a contact": (
        ADA, [user("U1", "E-100", "ada@example.org", False), contact("C1", "ada@example.org")],
        ("matched", CONTACT, 1, None, "C1"),
    ),
    "an inactive twin does not make it ambiguous": (
        ADA, [user("U1", None, "ada@example.org", False), user("U2", None, "ada@example.org")],
        ("matched", EMAIL, 1, "U2", None),
    ),
    "two federation ids stop the later rules": (
        ADA, [user("U1", "E-100"), user("U2", "e-100"), user("U3", None, "ada@example.org")],
        ("ambiguous", FEDERATION, 2, None, None),
    ),
    "two e-mails stop the contact rule": (
        ADA,
        [user("U1", None, "ada@example.org"), user("U2", None, "ADA@example.org"), contact("C1", "ada@example.org")],
        ("ambiguous", EMAIL, 2, None, None),
    ),
    "three contacts": (
        ADA, [contact(f"C{n}", "ada@example.org") for n in range(3)], ("ambiguous", CONTACT, 3, None, None),
    ),
    "one hit at an earlier rule outweighs many at a later one": (
        ADA, [user("U1", "E-100"), user("U2", None, "ada@example.org"), user("U3", None, "ada@example.org")],
        ("matched", FEDERATION, 1, "U1", None),
    ),
    "nulls never match": ({}, [user("U1"), contact("C1", None)], ("unmatched", None, 0, None, None)),
    "blanks never match": (
        {"external_id": "", "email_address": "  "}, [user("U1", "", " "), contact("C1", "")],
        ("unmatched", None, 0, None, None),
    ),
    "nobody in the org": (ADA, [], ("unmatched", None, 0, None, None)),
    "beyond ASCII": (
        {"email_address": "ÅSA@example.org"}, [contact("C1", "åsa@example.org")], ("matched", CONTACT, 1, None, "C1"),
    ),
    "a part is not the whole": (
        ADA, [user("U1", "E-1000", "ada@example.org.uk"), contact("C1", "a_a@example.org")],
        ("unmatched", None, 0, None, None),
    ),
    "no patterns": (
        {"email_address": "a%@example.org"}, [contact("C1", "ada@example.org")], ("unmatched", None, 0, None, None),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("match") / "warehouse.duckdb"


@pytest.fixture
def connection(file: Path) -> Iterator[Connection]:
    """An empty warehouse; what a test puts there is rolled back."""
    with Warehouse(file).connect() as opened:
        opened.execute("BEGIN")
        yield opened
        opened.execute("ROLLBACK")


@pytest.mark.parametrize("name", CASES)
def test_the_packaged_rules_decide(connection: Connection, name: str) -> None:
    learner, found, expected = CASES[name]
    row = matched(connection, load_mapping(), learner, found)
    parts = ("outcome", "rule", "hits", "salesforce_user_id", "salesforce_contact_id")
    assert tuple(row[part] for part in parts) == expected


OWN_RULES = """rule,absorb_field,salesforce,active_only
by_contact,email_address,Contact.Email,no
by_login,username,User.Username,no
by_number,employee_number,User.FederationIdentifier,yes
"""


@pytest.mark.parametrize(
    ("learner", "found", "expected"),
    [
        (
            {"email_address": "a@b.c", "username": "U1@org.example"}, [user("U1"), contact("C1", "a@b.c")],
            ("by_contact", None, "C1"),
        ),
        ({"username": "u1@ORG.example"}, [user("U1", active=False)], ("by_login", "U1", None)),
        ({"employee_number": "77"}, [user("U1", "77")], ("by_number", "U1", None)),
        ({"employee_number": "77"}, [user("U1", "77", active=False)], (None, None, None)),
        ({"external_id": "77"}, [user("U1", "77")], (None, None, None)),
    ],
)  # fmt: skip
def test_an_edited_rule_list_decides_in_its_own_order(
    connection: Connection, tmp_path: Path, learner: dict[str, Any], found: list[Any], expected: tuple[Any, ...]
) -> None:
    (tmp_path / "learner_matching.csv").write_text(OWN_RULES, "utf-8")
    row = matched(connection, load_mapping(tmp_path), learner, found)
    assert (row["rule"], row["salesforce_user_id"], row["salesforce_contact_id"]) == expected


def test_people_of_another_tenant_are_nobody(connection: Connection) -> None:
    connection.execute(f"{USERS} ('other', 'U9', 'E-100', NULL, NULL, true, now(), NULL, NULL)")
    row = matched(connection, load_mapping(), ADA, [])
    assert row["outcome"] == "unmatched"


def test_a_build_fills_the_owners_that_matching_found(sandbox: Sandbox, settings: Settings) -> None:
    run_pull(settings)
    found = run_match(settings)
    assert found.learners["matched"] > 40
    assert (set(found.learners), found.notes) == ({"matched", "ambiguous", "unmatched"}, []), "an ordinary portal"
    run_build(settings)
    warehouse = Warehouse.of(settings)
    compared = """
        SELECT count(*) FILTER (WHERE p."OwnerId" IS DISTINCT FROM m.salesforce_user_id), count(p."OwnerId"),
          count(*) FILTER (WHERE p."OwnerId" IS NULL)
        FROM learning_item_progress AS p JOIN salesforce.learner_matches AS m USING (tenant_id, user_id)
    """
    with warehouse.connect() as connection:
        wrong, owned, unowned = connection.execute(compared).fetchone()
        somebody = connection.execute('SELECT any_value("OwnerId") FROM learning_item_progress').fetchone()[0]
    assert wrong == 0
    assert owned > 300
    assert unowned > 20
    assert run_build(settings).tables["learning_item_progress"].updated == 0

    sandbox.org.set_values("User", somebody, IsActive=False)
    run_push(settings)
    with warehouse.connect() as connection:
        left = 'SELECT count(*) FROM learning_item_progress WHERE "OwnerId" = ?'
        assert connection.execute(left, [somebody]).fetchone()[0] > 0, "only a build writes the canonical tables"
    run_build(settings)
    with warehouse.connect() as connection:
        assert connection.execute(compared).fetchone()[0] == 0
        assert connection.execute(left, [somebody]).fetchone() == (0,)
