"""ops.changed: who writes what a consumer reads notes it in the same transaction."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support import COURSE, USER, enrollment, load, new_id, query

from connector.times import utc_now
from connector.warehouse import changed
from connector.warehouse.changed import BUILD, MATCH, PUSH
from connector.warehouse.database import Connection, Stamp, Warehouse, committed
from connector.warehouse.load import Batch, load_batch

REPO = Path(__file__).resolve().parents[2]
WRITE = re.compile(
    r"\b(?:INSERT INTO|INSERT OR REPLACE INTO|UPDATE|DELETE FROM|MERGE INTO|TRUNCATE|COPY)\s+"
    r"((?:main|absorb|salesforce)\.[\w{}]+|learning_\w+|\{+\w+\}+)"
)

# Every statement that writes a table of absorb, of salesforce, or a canonical one, and where what it writes is noted.
# Whoever adds one reviews here which consumer reads the rows (READERS in connector/warehouse/changed.py).
READBACK = "connector/salesforce/readback"
WRITERS: dict[str, tuple[str, str] | None] = {
    "connector/warehouse/sql/merge_new.sql": ("changed.note_delta", "connector/warehouse/load.py"),
    "connector/warehouse/sql/merge_changed.sql": ("changed.note_delta", "connector/warehouse/load.py"),
    "connector/warehouse/sql/courses_tombstone.sql": ("changed.note_ids", "connector/warehouse/load.py"),
    "connector/warehouse/sql/courses_revive.sql": ("changed.note_ids", "connector/warehouse/load.py"),
    "connector/absorb/pull/sql/sweep_apply.sql": ("changed.note", "connector/absorb/pull/reconcile.py"),
    "connector/absorb/pull/sql/details_removed.sql": ("changed.note_ids", "connector/absorb/pull/details.py"),
    "connector/absorb/pull/sql/attempts_removed.sql": ("changed.note_ids", "connector/absorb/pull/details.py"),
    # `changes` has the keys; noted by each caller: read-back, matching, build.
    "connector/warehouse/sql/apply_new.sql": ("changed.note", READBACK + "/store.py"),
    "connector/warehouse/sql/apply_update.sql": ("changed.note", "connector/canonical/match.py"),
    "connector/warehouse/sql/apply_delete.sql": ("changed.note", "connector/canonical/rows.py"),
    "connector/canonical/sql/orphans_drop.sql": ("changed.note", "connector/canonical/rows.py"),
    READBACK + "/sql/contacts_deleted.sql": ("changed.note_ids", READBACK + "/contacts.py"),
    READBACK + "/sql/contacts_forget.sql": ("changed.note_everything", READBACK + "/contacts.py"),
    READBACK + "/contacts.py": ("changed.note_everything", READBACK + "/contacts.py"),
    # Rolled back always.
    READBACK + "/sql/retrieved_drop.sql": None,
    READBACK + "/sql/retrieved_put.sql": None,
    # Tables that no consumer reads by change: the history of statuses, the ledger, what holds and read-back keep.
    "connector/canonical/sql/history_close.sql": None,
    "connector/canonical/sql/history_end.sql": None,
    "connector/canonical/sql/history_first.sql": None,
    "connector/canonical/sql/records_first.sql": ("changed.note", "connector/canonical/rows.py"),
    "connector/canonical/sql/history_follow.sql": None,
    "connector/canonical/sql/history_open.sql": None,
    "connector/learning_records/sql/records_content.sql": None,
    "connector/learning_records/sql/records_learned.sql": None,
    "connector/learning_records/sql/records_mark.sql": None,
    "connector/cli/sql/rejects_due.sql": None,
    "connector/cli/sql/rejects_settle.sql": None,
    "connector/push/sql/compared_elsewhere.sql": None,
    "connector/push/sql/compared_forget.sql": None,
    "connector/push/sql/compared_put.sql": None,
    "connector/push/sql/hold_seed.sql": None,
    "connector/push/sql/ledger_found.sql": None,
    "connector/push/sql/ledger_intend.sql": None,
    "connector/push/sql/ledger_put.sql": None,
    "connector/push/sql/plan_put.sql": None,
    "connector/push/sql/standing_clear.sql": None,
    "connector/push/sql/standing_held.sql": None,
    "connector/push/sql/standing_note.sql": None,
    "connector/push/sql/standing_put.sql": None,
    "connector/push/sql/standing_settle.sql": None,
    "connector/push/sql/state_match.sql": None,
    "connector/push/sql/state_prune.sql": None,
    "connector/push/sql/state_put.sql": None,
    "connector/salesforce/push/sql/bulk_release.sql": None,
    READBACK + "/sql/checkpoint_put.sql": None,
    READBACK + "/sql/contact_keys_drop.sql": None,
    READBACK + "/sql/contact_keys_put.sql": None,
    READBACK + "/sql/foreign_changes_clear.sql": None,
    READBACK + "/sql/readback_changed.sql": None,
    READBACK + "/sql/readback_foreign.sql": None,
    READBACK + "/sql/readback_missing.sql": None,
    READBACK + "/sql/readback_orphans.sql": None,
    # A migration that copies tables as they are.
    "connector/warehouse/unindexed.py": None,
    # Watermarks and resume points of another portal.
    "connector/warehouse/identity.py": None,
}


def writers() -> set[str]:
    files = [path for kind in ("*.sql", "*.py") for path in (REPO / "connector").rglob(kind)]
    files += [path for kind in ("*.sql", "*.py") for path in (REPO / "mappings").rglob(kind)]
    relative = [path.relative_to(REPO).as_posix() for path in files]
    return {
        name
        for name in relative
        if not name.startswith(("connector/sandbox/", "connector/warehouse/migrations/"))
        and WRITE.search((REPO / name).read_text("utf-8"))
    }


def test_every_writer_of_what_a_consumer_reads_is_known_here() -> None:
    assert writers() == set(WRITERS)


def test_every_writer_notes_what_it_writes() -> None:
    for call, path in filter(None, WRITERS.values()):
        assert f"{call}(" in (REPO / path).read_text("utf-8"), (call, path)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse.duckdb")


def follow(connection: Connection, *consumers: str) -> None:
    """They have dealt with every row, and with everything that is noted."""
    with committed(connection):
        for consumer in consumers:
            changed.dealt_with(connection, "default", consumer)


def noted(warehouse: Warehouse, consumer: str = BUILD) -> list[tuple[Any, ...]]:
    """What is noted, and no longer is from now on."""
    with warehouse.connect() as connection:
        rows = "SELECT DISTINCT stream, id FROM ops.changed WHERE tenant_id = 'default' AND consumer = ? ORDER BY ALL"
        found = connection.execute(rows, [consumer]).fetchall()
        follow(connection, BUILD, PUSH)
    return found


def test_a_load_notes_what_it_adds_or_changes_and_nothing_else(warehouse: Warehouse) -> None:
    first, second = enrollment(), enrollment()
    load(warehouse, [first, second])
    assert noted(warehouse) == [("enrollments", "*")]  # of a build that has never run, all is due
    load(warehouse, [first, second])
    assert noted(warehouse) == []
    load(warehouse, [first | {"progress": 7.0}, second])
    assert noted(warehouse) == [("enrollments", first["id"])]
    load(warehouse, [{"id": USER, "username": "ada"}], stream="users")
    load(warehouse, [{"id": COURSE, "name": "First Aid"}], stream="courses")
    assert noted(warehouse) == [("courses", COURSE), ("users", USER)]
    load(warehouse, [{"id": new_id(), "name": "Staff"}], stream="departments")
    assert noted(warehouse) == []


def test_another_added_date_is_another_record_so_that_all_is_due(warehouse: Warehouse) -> None:
    row = enrollment()
    load(warehouse, [row])
    noted(warehouse)
    load(warehouse, [row | {"dateAdded": "2026-01-02T10:00:00"}])
    assert ("enrollments", "*") in noted(warehouse)


def test_details_note_their_enrollment(warehouse: Warehouse) -> None:
    row, other = enrollment(), enrollment(userId=new_id())
    load(warehouse, [row, other])
    session = {"id": new_id(), "courseEnrollmentId": row["id"], "sessionId": new_id(), "userId": USER, "status": 1}
    attempt = {"id": new_id(), "userId": USER, "courseId": COURSE, "lessonId": new_id(), "status": 1, "score": 5.0}
    noted(warehouse)
    load(warehouse, [attempt], stream="attempts")
    assert noted(warehouse) == [("enrollments", row["id"])]
    load(warehouse, [session], stream="session_enrollments")
    assert noted(warehouse) == [("enrollments", row["id"])]
    load(warehouse, [session | {"courseEnrollmentId": other["id"]}], stream="session_enrollments")
    assert noted(warehouse) == sorted([("enrollments", row["id"]), ("enrollments", other["id"])])


def test_courses_that_go_and_return_are_noted(warehouse: Warehouse) -> None:
    load(warehouse, [{"id": COURSE, "name": "First Aid"}], stream="courses")
    noted(warehouse)
    for _ in range(2):  # gone is what two runs met missing
        load_batch(warehouse, Batch("enrollments", tombstones=[COURSE]), Stamp("default", "run", utc_now()))
    assert noted(warehouse) == [("courses", COURSE)]


def test_what_is_noted_while_a_consumer_works_stays_due(warehouse: Warehouse) -> None:
    with warehouse.connect() as working, warehouse.connect() as writing:
        follow(working, BUILD)
        with committed(working):
            assert changed.due(working, "default", BUILD) == changed.Due(everything=False)
            changed.note_ids(writing, "default", "enrollments", ["a"])
            changed.dealt_with(working, "default", BUILD)
        assert changed.due(working, "default", BUILD) == changed.Due(False, frozenset({"enrollments"}))


def test_a_row_written_while_a_consumer_deals_with_all_for_the_first_time_is_due(warehouse: Warehouse) -> None:
    with warehouse.connect() as working, warehouse.connect() as writing:
        writing.execute("BEGIN")
        changed.note_ids(writing, "default", "enrollments", ["a"])
        follow(working, BUILD)
        writing.execute("COMMIT")
        assert changed.due(working, "default", BUILD) == changed.Due(True, frozenset({"enrollments"}))


def test_matching_is_told_that_something_changed(warehouse: Warehouse) -> None:
    load(warehouse, [{"id": USER, "username": "ada"}], stream="users")
    with warehouse.connect() as connection:
        with committed(connection):
            changed.dealt_with(connection, "default", MATCH, keeps_ids=False)
        assert query(warehouse, "SELECT count(*) FROM ops.consumers WHERE consumer = 'match'") == [(0,)]
    load(warehouse, [{"id": USER, "username": "ada p"}], stream="users")
    assert noted(warehouse, MATCH) == [("users", "*")]


def test_a_file_of_an_earlier_version_has_everything_due(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        assert changed.due(connection, "default", BUILD).everything
