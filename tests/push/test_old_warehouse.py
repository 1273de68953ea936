"""A warehouse written before every target had the same ledger: it opens, and the next push sends nothing."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from support import enrollment, load, query

from connector.canonical import load_maps
from connector.learning_records import target as learning_records
from connector.learning_records.models import canonical, fingerprint
from connector.push import difference
from connector.salesforce.targets import COURSE, ENROLLMENT, source
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.sync import run_build, run_pull, run_push
from connector.warehouse.database import Warehouse, available

LAST_OLD_MIGRATION = 8
RECORDS = """
    SELECT tenant_id, org_id, external_id, payload_hash, content, accepted_hash, salesforce_id, state, error_code,
      error_text, attempts, first_sent_at, last_sent_at, accepted_at, run_id
    FROM new.salesforce.push_ledger
    WHERE target_object = 'LearningRecord'
"""


def as_it_was(new: Path, old: Path) -> None:
    """The same content in a file of the migrations of then."""
    with duckdb.connect(str(old)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for version, name, text in available():
            if version <= LAST_OLD_MIGRATION:
                connection.execute(text)
                connection.execute("INSERT INTO ops.migrations VALUES (?, ?, now())", [version, name])
        connection.execute(f"ATTACH '{new}' AS new (READ_ONLY)")
        tables = connection.execute(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables()"
            " WHERE database_name = current_database() AND table_name <> 'migrations'"
        ).fetchall()
        for (table,) in tables:
            columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
            names = ", ".join(f'"{column}"' for column in columns)
            where = " WHERE target_object <> 'LearningRecord'" if table == "salesforce.push_ledger" else ""
            rows = RECORDS if table == "ops.learning_record_ledger" else f"SELECT {names} FROM new.{table}{where}"
            connection.execute(f"INSERT INTO {table} ({names}) {rows}")


@pytest.fixture
def sandbox() -> Sandbox:
    with Sandbox(SandboxOptions(scale=40, courses=4, rate_limit=0, learning_records=True)) as running:
        yield running


@pytest.mark.lets_go
def test_it_opens_and_the_next_push_sends_nothing(
    sandbox: Sandbox, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH", "true")
    monkeypatch.setenv("LEARNSYNC_LEARNING_RECORDS__REQUESTS_PER_SECOND", "5000")
    run_pull(load_settings())
    run_build(load_settings())
    first = run_push(load_settings()).targets
    assert {name for name, target in first.items() if target.accepted} == {
        "lms_course", "lms_enrollment", "learning", "learning_records",
    }  # fmt: skip
    listing = "FROM ops.learning_record_ledger ORDER BY record_id"
    before = query(Warehouse.of(settings), listing)
    as_it_was(settings.warehouse.path, tmp_path / "old.duckdb")
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "old.duckdb"))

    again = run_push(load_settings()).targets

    assert [(name, target.sent, target.due, target.unchanged) for name, target in again.items()] == [
        (name, 0, 0, target.accepted) for name, target in first.items()
    ]
    assert query(Warehouse.of(load_settings()), listing) == before
    # What the old version had computed is the beginning of the history.
    warehouse = Warehouse.of(load_settings())
    progress = 'SELECT enrollment_id, "ProgressStatus", rule FROM learning_item_progress ORDER BY ALL'
    history = "FROM learning_item_progress_history WHERE valid_to IS NULL AND valid_from <= now() ORDER BY ALL"
    assert query(warehouse, f"SELECT enrollment_id, status, rule {history}") == query(warehouse, progress)
    (built_at,) = query(warehouse, "SELECT max(finished_at) FROM ops.runs WHERE command = 'build'")
    assert set(query(warehouse, f"SELECT valid_from {history}")) == {built_at}
    assert len(sandbox.records.rows) == first["learning_records"].accepted


# Of the payloads that versions before sent: another hash would send every record again. A field that was mapped since
# does so once, in an org that has it.
NEW_FIELDS = {"Progress_Rule__c"}
SENT = {
    "LMS_Course__c": "533cc4ea19192d7205bf8ba6b4f4ca8add742e34a4a2202f0e47818ab124d06b",
    "LMS_Enrollment__c": "7931199de0c644f7c069d487e0f469b9ae93eb2570b8ac3d2c65a213c1b51a49",
    "LearningRecord": "0cb85999a530a529097e6c04f591da5c2a1865e0e5e01abf0a6deebf3772bc84",
}
CONTENT = "d94d6a50b4e5591f96455ef3a657018e7132196c0852cf48ef39e2438fc67076"


def test_the_same_record_has_the_payload_hash_that_it_always_had(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "warehouse.duckdb"))
    settings = load_settings()
    row = enrollment(
        id="e0000000-0000-4000-8000-000000000001", courseId="c0000000-0000-4000-8000-000000000001", status=3,
        progress=100.0, score=88.126, dateStarted="2026-01-02T08:00:00.5", dateCompleted="2026-01-03T09:30:00.25",
        credits=2.555, certificateId="854faae6-c690-435d-8316-0dd91af758b4", courseName="x" * 300,
    )  # fmt: skip
    load(Warehouse.of(settings), [row])
    run_build(settings)
    maps = load_maps(settings)
    sources = {
        target.object: source(
            target, tuple(f for f in maps.object_fields(target.object) if f.field not in NEW_FIELDS), maps, settings
        )
        for target in (COURSE, ENROLLMENT)
    }
    records = learning_records.source(maps)
    found, items = {}, []
    with Warehouse.of(settings).connect() as connection:
        connection.execute(
            "INSERT INTO salesforce.learner_matches BY NAME"
            " SELECT 'default' AS tenant_id, user_id, 'matched' AS outcome,"
            " '005000000000001AAA' AS salesforce_user_id, '005000000000001AAA' AS last_user_id, 1 AS hits"
            " FROM absorb.enrollments"
        )
        for name, made_of in (sources | {"LearningRecord": records}).items():
            difference.compute(connection, made_of, {"tenant_id": "default", "org_id": "org", "object": name})
            difference.spool(connection, tmp_path / name, None)
            items = list(difference.read(tmp_path / name))
            found[name] = items[0].payload_hash
    assert found == SENT
    assert fingerprint(canonical(items[0].payload)) == CONTENT
