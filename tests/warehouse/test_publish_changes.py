"""The published file follows the warehouse by difference: nothing missed, nothing replaced without need, and nothing of
a person left in its bytes that the warehouse has no more."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import duckdb
import pytest
from support import examples, query

from connector.settings import Settings, load_settings
from connector.sync import run_publish as publish
from connector.warehouse import difference, last_published, published
from connector.warehouse.database import Warehouse
from connector.warehouse.publish import DIFFERENCE, UNCHANGED, WHOLE

LEARNERS = 3_000
FILL = f"""
INSERT INTO absorb.users (tenant_id, id, first_name, last_name, username, external_id, _loaded_at, _run_id)
SELECT 'default', md5('u' || i)::UUID, 'First' || i, 'Family' || i, 'login' || i, 'x' || i, now(), 'r'
FROM range(40) AS t (i);

INSERT INTO absorb.enrollments
  (tenant_id, id, course_id, user_id, full_name, status, progress, is_active, date_added, date_edited,
  _loaded_at, _run_id)
SELECT 'default', md5('e' || i)::UUID, md5('c')::UUID, md5('u' || i % 40)::UUID, 'Name-of-' || md5('n' || i), i % 12, 5,
  true, now(), now(), now(), 'r'
FROM range({LEARNERS}) AS t (i);

INSERT INTO salesforce.learner_matches (tenant_id, user_id, outcome, hits, salesforce_contact_id)
SELECT 'default', md5('u' || i)::UUID, 'matched', 1, '003' || i FROM range(40) AS t (i);

INSERT INTO salesforce.contacts (tenant_id, "Id", "Email")
SELECT 'default', '003' || i, 'mail' || i FROM range(60) AS t (i);
"""
ONE = "md5('e17')::UUID"
NAME = "Name-of-' || md5('n17') || '"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_warehouse: Path) -> Settings:
    """A warehouse with rows, and where it is published."""
    return filled(tmp_path, monkeypatch, new_warehouse)


def filled(folder: Path, patch: pytest.MonkeyPatch, new_warehouse: Path) -> Settings:
    shutil.copy(new_warehouse, folder / "warehouse.duckdb")
    patch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(folder / "warehouse.duckdb"))
    patch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", str(folder / "learning.duckdb"))
    found = load_settings()
    change(found, FILL)
    return found


def change(settings: Settings, statement: str) -> None:
    with Warehouse.of(settings).connect() as connection:
        connection.execute(statement)


def name_of(number: int) -> bytes:
    [[name]] = duckdb.sql(f"SELECT 'Name-of-' || md5('n{number}')").fetchall()
    return bytes(name, "ascii")


def holds(settings: Settings, text: bytes) -> bool:
    return text in settings.warehouse.publish_path.read_bytes()


def strays(settings: Settings) -> list[str]:
    """Tables of the file that are not what a file written whole would hold."""
    found = []
    with Warehouse.of(settings).connect() as connection:
        connection.execute(f"ATTACH '{settings.warehouse.publish_path}' AS copy (READ_ONLY)")
        for table in published.tables():
            ours, theirs = f"SELECT {table.selected} FROM {table.rows}", f"SELECT * FROM copy.{table.place}"
            if table.name == "ops.runs":  # how the publish itself ended is written after the file
                ours, theirs = (f"SELECT * FROM ({one}) WHERE command <> 'publish'" for one in (ours, theirs))
            both = f"(({ours}) EXCEPT ALL ({theirs})) UNION ALL (({theirs}) EXCEPT ALL ({ours}))"
            if connection.execute(f"SELECT 1 FROM ({both}) LIMIT 1").fetchall():
                found.append(table.name)
        connection.execute("DETACH copy")
    return found


def test_nothing_changed_leaves_the_file_and_says_so(settings: Settings) -> None:
    first = publish(settings)
    before = first.path.stat()
    again = publish(settings)
    assert (first.how, again.how, again.rows) == (WHOLE, UNCHANGED, 0)
    assert again.bytes == before.st_size
    after = first.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    told = query(Warehouse.of(settings), "SELECT stats ->> 'how' FROM ops.runs ORDER BY started_at, run_id")
    assert sorted(how for (how,) in told) == [UNCHANGED, WHOLE]


def test_only_what_changed_is_replaced(settings: Settings) -> None:
    path = publish(settings).path
    with duckdb.connect(str(path), read_only=True) as reader:
        counted = "SELECT count(*) FROM absorb.enrollments WHERE progress = 77"
        change(settings, "UPDATE absorb.enrollments SET progress = 77 WHERE status = 3")
        [[changed]] = query(Warehouse.of(settings), counted)
        report = publish(settings)
        runs = 2  # of the two publishes: the first has ended, the second is new
        assert (report.how, report.rows) == (DIFFERENCE, changed + runs)
        assert reader.execute(counted).fetchone() == (0,)
    with duckdb.connect(str(path), read_only=True) as reader:
        assert reader.execute(counted).fetchone() == (changed,)
        assert reader.execute("SELECT count(*) FROM absorb.enrollments").fetchone() == (LEARNERS,)
        own = "SELECT count(*) FROM ops.runs JOIN ops.published USING (run_id) WHERE finished_at IS NULL"
        assert reader.execute(own).fetchone() == (1,)
    assert strays(settings) == []


MATCH = "UPDATE salesforce.learner_matches SET salesforce_contact_id ="
EDITS = (
    "UPDATE absorb.enrollments SET progress = {n} WHERE id = md5('e{n}')::UUID",
    "UPDATE absorb.enrollments SET status = (status + 1) % 12 WHERE status = {n} % 12",
    "UPDATE absorb.enrollments SET progress = 5",
    "UPDATE absorb.enrollments SET full_name = 'Other' || {n} WHERE id = md5('e{n}')::UUID",
    "UPDATE absorb.enrollments SET full_name = NULL WHERE id = md5('e{n}')::UUID",
    "DELETE FROM absorb.enrollments WHERE id = md5('e{n}')::UUID",
    "INSERT INTO absorb.enrollments BY NAME SELECT * REPLACE (uuid() AS id) FROM absorb.enrollments LIMIT {n}",
    "UPDATE absorb.users SET last_login_date = now() WHERE external_id = 'x{n}'",
    "UPDATE absorb.users SET phone = 'p{n}' WHERE external_id = 'x{n}'",
    f"{MATCH} NULL WHERE salesforce_contact_id = '003{{n}}'",
    f"{MATCH} '003{{n}}' WHERE user_id = md5('u3')::UUID",
    (
        "INSERT INTO ops.runs (run_id, tenant_id, command, started_at)"
        " SELECT uuid()::VARCHAR, 'default', 'pull', now() FROM range({n})"
    ),
    (
        "INSERT INTO ops.watermarks (tenant_id, stream, scope_id, run_id, rows, completed_at)"
        " SELECT 'default', 'users', uuid()::VARCHAR, 'r', 1, now()"
    ),
    "DELETE FROM ops.runs WHERE command = 'pull'",
)


@pytest.mark.parametrize("seed", range(examples(1)))
def test_whatever_changes_the_file_is_what_a_whole_one_would_be(seed: int, settings: Settings) -> None:
    drawn, hows = random.Random(seed), set()
    for _ in range(9):
        for edit in drawn.choices(EDITS, k=drawn.randint(0, 2)):
            change(settings, edit.format(n=drawn.randint(0, 59)))
        hows.add(publish(settings).how)
        assert strays(settings) == []
    assert publish(settings).how == UNCHANGED
    assert {WHOLE, DIFFERENCE} <= hows


@pytest.mark.parametrize(
    "erased",
    [
        f"UPDATE absorb.enrollments SET full_name = 'Somebody Else' WHERE id = {ONE}",
        f"UPDATE absorb.enrollments SET full_name = NULL WHERE id = {ONE}",
        f"DELETE FROM absorb.enrollments WHERE id = {ONE}",
    ],
    ids=["changed", "blanked", "gone"],
)
@pytest.mark.parametrize("measure", [True, False], ids=["with the measure", "without it"])
def test_no_byte_of_the_file_tells_what_was_erased(
    erased: str, measure: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the measure the old name stays in the file, where no query finds it; so the test would tell."""
    if not measure:
        monkeypatch.setattr(difference, "erased", lambda *_: 0)
    publish(settings)
    assert holds(settings, name_of(17))
    change(settings, f"UPDATE absorb.enrollments SET progress = 50, _loaded_at = now() WHERE id = {ONE}")
    assert publish(settings).how == DIFFERENCE  # now the name is in the row that was replaced, too
    change(settings, erased)
    report = publish(settings)
    assert strays(settings) == []
    assert holds(settings, name_of(18))
    assert (report.how, holds(settings, name_of(17))) == ((WHOLE, False) if measure else (DIFFERENCE, True))


def test_a_name_that_was_empty_before_is_no_loss(settings: Settings) -> None:
    change(settings, f"UPDATE absorb.enrollments SET full_name = NULL WHERE id = {ONE}")
    publish(settings)
    change(settings, f"UPDATE absorb.enrollments SET full_name = 'Known now' WHERE id = {ONE}")
    assert publish(settings).how == DIFFERENCE
    both = "UPDATE absorb.enrollments SET full_name = {} WHERE id = md5('e{}')::UUID"
    change(settings, both.format("NULL", 18) + "; " + both.format("'Other'", 17))
    assert publish(settings).how == WHOLE
    assert strays(settings) == []


def test_a_contact_that_is_no_learner_any_more_leaves_no_byte(settings: Settings) -> None:
    change(settings, """UPDATE salesforce.contacts SET "Id" = '003longer-than-a-prefix' WHERE "Id" = '0035'""")
    matched = "UPDATE salesforce.learner_matches SET salesforce_contact_id = {} WHERE user_id = md5('u5')::UUID"
    change(settings, matched.format("'003longer-than-a-prefix'"))
    publish(settings)
    assert holds(settings, b"longer-than-a-prefix")
    change(settings, matched.format("NULL"))
    assert publish(settings).how == WHOLE
    assert not holds(settings, b"longer-than-a-prefix")


def written_into(path: Path) -> None:
    with duckdb.connect(str(path)) as theirs:
        theirs.execute("UPDATE absorb.enrollments SET progress = 99")


def an_older_copy(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    copy.replace(path)


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.lets_go
@pytest.mark.parametrize("meddle", [written_into, an_older_copy, removed])
def test_a_file_that_is_not_the_one_written_last_is_written_whole(meddle: object, settings: Settings) -> None:
    path = publish(settings).path
    assert callable(meddle)
    meddle(path)
    assert publish(settings).how == WHOLE
    assert strays(settings) == []


def test_a_file_that_cannot_be_read_is_written_whole(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    path = publish(settings).path
    before = path.stat()
    with path.open("r+b") as file:
        for at in range(3 * 4096, before.st_size, 65_536):
            file.seek(at)
            file.write(os.urandom(256))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    change(settings, "UPDATE absorb.enrollments SET progress = 6")
    assert publish(settings).how == WHOLE
    assert strays(settings) == []


def test_a_publish_that_ended_before_its_note_is_followed_by_a_whole_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(settings)
    change(settings, "UPDATE absorb.enrollments SET progress = 6 WHERE status = 1")
    with monkeypatch.context() as patch:
        patch.setattr(last_published.Note, "keep", killed)
        with pytest.raises(RuntimeError, match="killed"):
            publish(settings)
    assert strays(settings) == []
    change(settings, "UPDATE absorb.enrollments SET progress = 7 WHERE status = 2")
    assert publish(settings).how == WHOLE
    assert strays(settings) == []


def killed(*_: object) -> None:
    raise RuntimeError("killed")


def test_what_is_decided_otherwise_means_a_whole_file(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(settings)
    kept_back = published.decisions()["absorb.enrollments"] | {"full_name": "no"}
    monkeypatch.setitem(published.decisions(), "absorb.enrollments", kept_back)
    assert publish(settings).how == WHOLE
    assert not holds(settings, name_of(17))


@pytest.mark.parametrize(
    ("before", "how"),
    [
        ("UPDATE ops.published_file SET whole_at = whole_at - INTERVAL 23 HOUR", DIFFERENCE),
        ("UPDATE ops.published_file SET whole_at = whole_at - INTERVAL 25 HOUR", WHOLE),
        ("UPDATE ops.published_file SET whole_at = whole_at + INTERVAL 1 HOUR", WHOLE),
        ("UPDATE ops.published_file SET replaced = 100000", WHOLE),
        ("UPDATE absorb.enrollments SET progress = 9", WHOLE),
        ("DELETE FROM ops.published_file", WHOLE),
    ],
    ids=["23 hours ago", "a day ago", "a clock that went back", "many before", "many now", "no note"],
)
def test_a_file_is_written_whole_at_least_daily_and_where_much_changed(
    before: str, how: str, settings: Settings
) -> None:
    publish(settings)
    change(settings, f"{before}; UPDATE absorb.enrollments SET progress = 6 WHERE id = {ONE}")
    assert publish(settings).how == how
    assert strays(settings) == []


def test_a_mode_that_was_changed_is_set_though_nothing_else_changed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = publish(settings).path
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_MODE", "0600")
    assert publish(load_settings()).how == UNCHANGED
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_lingering_column_is_a_published_one() -> None:
    decided = published.decisions()
    assert [line for line in published.lingering() if decided.get(line[0], {}).get(line[1]) != "yes"] == []
    for table in published.tables():
        named = {name for name in table.columns if (table.name, name) not in published.lingering()}
        assert named & {"id", "Id", "tenant_id"}, f"{table.name}: a row that vanishes would not be noticed"
    of_a_person = {
        "first_name",
        "last_name",
        "username",
        "full_name",
        "job_title",
        "employee_number",
        "OwnerId",
        "Email",
    }
    assert not {name for _, name in published.lingering()} & of_a_person
