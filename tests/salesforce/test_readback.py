"""What the org holds, read back: people by their changes, our own records, and what is done about drift."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
from started import Start, portal_of, started
from support import Row, query, records

from connector.errors import LearnsyncError, ServerFaultError, WarehouseError
from connector.push.reports import PushOptions
from connector.salesforce.readback import own as readback_own
from connector.salesforce.readback import store as readback_store
from connector.salesforce.readback.read import Reading
from connector.salesforce.readback.readback import Part, ReadbackOptions, ReadbackReport, readback
from connector.salesforce.readback.store import ObjectReport
from connector.sandbox.server import Sandbox
from connector.settings import Settings, load_settings
from connector.sync import run_build, run_check, run_match, run_pull, run_push, run_readback, run_sync
from connector.warehouse.database import Connection, Warehouse

COURSE, ENROLLMENT = "LMS_Course__c", "LMS_Enrollment__c"
DATA = "/services/data/v67.0/sobjects"
MATCHES = "SELECT * EXCLUDE (last_user_id, last_contact_id) FROM salesforce.learner_matches ORDER BY user_id"


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    return started(tmp_path_factory.mktemp("start"), scale=160, courses=5)


@pytest.fixture
def sandbox(start: Start) -> Iterator[Sandbox]:
    """A portal with the rows of `start`, and an org of this test's own."""
    with portal_of(start, salesforce="agreeing") as running:
        yield running


@pytest.fixture
def ready(start: Start, sandbox: Sandbox, settings: Settings) -> Settings:
    """Pulled and built, nothing pushed yet."""
    shutil.copy(start.warehouse, settings.warehouse.path)
    return settings


@pytest.fixture
def pushed(ready: Settings) -> Settings:
    """Everything is in the org, and read back once."""
    assert run_push(ready).complete
    run_readback(ready)
    return ready


def somebody(sandbox: Sandbox) -> httpx.Client:
    """Another user of the org, logged in."""
    user = next(row["Id"] for row in sandbox.org.records("User") if row["Id"] != sandbox.org.user_id)
    token = httpx.post(f"{sandbox.salesforce_url}/_sandbox/session/{user}").json()["access_token"]
    return httpx.Client(base_url=sandbox.salesforce_url, headers={"Authorization": f"Bearer {token}"})


def of_org(sandbox: Sandbox, name: str, **wanted: Any) -> list[Row]:
    return [row for row in sandbox.org.records(name) if all(row[key] == value for key, value in wanted.items())]


def drift(settings: Settings) -> list[tuple[Any, ...]]:
    columns = "kind, external_id, field, ours, theirs"
    return query(Warehouse.of(settings), f"SELECT {columns} FROM salesforce.drift ORDER BY 1, 2, 3")


def state_of(settings: Settings, external_id: str) -> str:
    ((state,),) = query(
        Warehouse.of(settings), "SELECT state FROM salesforce.push_ledger WHERE external_id = ?", [external_id]
    )
    return str(state)


def ago(sandbox: Sandbox, minutes: int) -> str:
    """A stamp of the org."""
    return (sandbox.org.now() - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def age(sandbox: Sandbox, name: str, minutes: int = 60) -> None:
    """Make every record of an object look an hour old, or as old as said."""
    for row in sandbox.org.table(name).rows.values():
        row["SystemModstamp"] = ago(sandbox, minutes)


def how(report: ReadbackReport) -> dict[str, str]:
    return {name: entry.full for name, entry in report.objects.items()}


# -- people -----------------------------------------------------------------------------------------------------------


def test_matching_by_changes_is_matching_by_a_full_read(sandbox: Sandbox, ready: Settings, tmp_path: Path) -> None:
    run_push(ready)
    warehouse = Warehouse.of(ready)
    matched = {
        str(row["user_id"]): row
        for row in records(warehouse, "FROM salesforce.learner_matches WHERE outcome = 'matched'")
    }
    users = [row["salesforce_user_id"] for row in matched.values() if row["salesforce_user_id"]]
    contacts = [row["salesforce_contact_id"] for row in matched.values() if row["salesforce_contact_id"]]
    before = dict(query(warehouse, "SELECT user_id, outcome FROM salesforce.learner_matches"))
    changed, deactivated, again = users[:3]
    sandbox.org.set_values("User", changed, FederationIdentifier="someone-else", Email="elsewhere@org.example")
    sandbox.org.set_values("User", deactivated, IsActive=False)
    sandbox.org.delete("Contact", contacts[:1])
    sandbox.org.set_values("Contact", contacts[1], Email=None)
    (new,) = query(
        warehouse,
        "SELECT lower(email_address) FROM absorb.users JOIN salesforce.learner_matches AS m ON m.user_id = id"
        " WHERE outcome = 'unmatched' AND email_address IS NOT NULL LIMIT 1",
    )
    sandbox.org.add("Contact", LastName="New", Name="New", Email=new[0])
    twin = next(row for row in sandbox.org.records("User") if row["Id"] == again)
    sandbox.org.add("User", LastName="Twin", Name="Twin", Username="t@org.example", Email=twin["Email"], IsActive=True)

    report = run_push(ready)

    by_changes = records(warehouse, MATCHES)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(ready.warehouse.path, other / "warehouse.duckdb")
    fresh = load_settings(warehouse={"path": other / "warehouse.duckdb", "publish_path": other / "p.duckdb"})
    with Warehouse.of(fresh).transaction() as connection:
        for table in ("users", "contacts", "checkpoints", "learner_matches"):
            connection.execute(f"DELETE FROM salesforce.{table}")
    assert run_push(fresh, PushOptions(limit=1)).learners == report.learners
    assert by_changes == records(Warehouse.of(fresh), MATCHES)
    after = {row["user_id"]: row["outcome"] for row in by_changes}
    assert sum(after[key] != before[key] for key in before) >= 4, "the changes must show"
    assert query(warehouse, "SELECT count(*) FROM salesforce.contacts WHERE _removed_at IS NOT NULL") == [(0,)]


def test_a_push_reads_only_people_who_changed(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("User", "Contact"):
        age(sandbox, name)
    run_push(ready)
    seen: list[int] = []
    original = readback_store.store

    def watched(connection: Connection, reading: Reading, *names: str) -> ObjectReport:
        seen.append(reading.rows)
        return original(connection, reading, *names)

    monkeypatch.setattr("connector.salesforce.push.objects.store", watched)
    run_push(ready)
    assert seen == [0, 0]
    sandbox.org.set_values("User", sandbox.org.records("User")[5]["Id"], FirstName="Ada")
    run_push(ready)
    assert seen == [0, 0, 1, 0]
    held = query(Warehouse.of(ready), "SELECT count(*) FROM salesforce.users")
    assert held == [(len(sandbox.org.records("User")),)]


def test_a_deleted_contact_leaves_no_dead_lookup_behind(sandbox: Sandbox, pushed: Settings) -> None:
    held = next(row for row in sandbox.org.records(ENROLLMENT) if row["Learner_Contact__c"])
    sandbox.org.delete("Contact", [held["Learner_Contact__c"]])
    sandbox.org.empty_recycle_bin("Contact")  # only the log of deletions knows of it, and it counts in whole minutes
    sandbox.org.table("Contact").purged[held["Learner_Contact__c"]] = ago(sandbox, 2)
    key = held["Absorb_Enrollment_Id__c"]
    sandbox.portal.edit([key], changes={"score": 3.25})
    run_pull(pushed)
    run_build(pushed)
    report = run_push(pushed)
    assert report.complete
    (record,) = of_org(sandbox, ENROLLMENT, Absorb_Enrollment_Id__c=key)
    assert (record["Score__c"], record["Learner_Contact__c"]) == (3.25, None)


# -- first read, increment, windows -----------------------------------------------------------------------------------


def test_a_first_read_holds_the_org_and_the_next_one_only_changes(sandbox: Sandbox, ready: Settings) -> None:
    run_push(ready)
    first = run_readback(ready)
    assert set(first.objects) == {"User", "Contact", COURSE, ENROLLMENT, "LearningItem", "LearningItemProgress"}
    assert first.objects[ENROLLMENT].full == "first read"
    assert first.objects["User"].full == "", "the push has read them"
    assert (first.drift, first.absent) == ({}, {})
    warehouse = Warehouse.of(ready)
    for table, name in (("lms_enrollments", ENROLLMENT), ("lms_courses", COURSE), ("learning_items", "LearningItem"),
                        ("learning_item_progress", "LearningItemProgress")):  # fmt: skip
        held = {row["Id"]: row for row in records(warehouse, f"FROM salesforce.{table}")}
        assert set(held) == {row["Id"] for row in sandbox.org.records(name)}
        assert all(row["SystemModstamp"] and row["IsDeleted"] is False for row in held.values())
    (row,) = records(warehouse, "FROM salesforce.lms_enrollments LIMIT 1")
    record = sandbox.org.record(ENROLLMENT, row["Id"])
    assert row["external_id"] == record["Absorb_Enrollment_Id__c"]
    assert row["LastModifiedById"] == sandbox.org.user_id

    made = of_org(sandbox, "LearningItemProgress", ProgressStatus="InProgress")[0]
    sandbox.org.set_values("LearningItemProgress", made["Id"], ProgressStatus="Behind")
    second = run_readback(ready)
    assert set(how(second).values()) == {""}
    assert (second.objects["LearningItemProgress"].updated, second.objects["LearningItem"].updated) == (1, 0)
    ((status,),) = query(
        warehouse, 'SELECT "ProgressStatus" FROM salesforce.learning_item_progress WHERE "Id" = ?', [made["Id"]]
    )
    assert status == "Behind"
    assert set(how(run_readback(ready, ReadbackOptions(full=True))).values()) == {"asked for"}


def test_a_checkpoint_out_of_reach_means_a_full_read(sandbox: Sandbox, pushed: Settings) -> None:
    for change, reason in {
        "covered_until = covered_until - INTERVAL 14 DAY": "",
        "covered_until = covered_until - INTERVAL 16 DAY": "last read more than 15 days ago",
        "full_at = full_at - INTERVAL 31 DAY": "last full read 30 days ago",
        "org_id = '00D000000000000'": "another org",
        "fields = 'Id'": "other fields",
    }.items():
        with Warehouse.of(pushed).transaction() as connection:
            connection.execute(f"UPDATE salesforce.checkpoints SET {change}")
            connection.execute("DELETE FROM salesforce.lms_courses")
        report = run_check(pushed)
        assert set(how(report).values()) == {reason}
        # Nothing was lost on the way: the courses are there again, and none counts as deleted.
        assert query(Warehouse.of(pushed), "SELECT count(*) FROM salesforce.lms_courses") == [(5,)], change
        assert report.drift == {}


def test_users_are_known_for_thirty_days(sandbox: Sandbox, pushed: Settings) -> None:
    for days, reason in ((29, ""), (31, "last read more than 30 days ago")):
        with Warehouse.of(pushed).transaction() as connection:
            connection.execute(
                f"UPDATE salesforce.checkpoints SET covered_until = full_at - INTERVAL {days} DAY WHERE object = 'User'"
            )
        assert run_readback(pushed).objects["User"].full == reason


def test_too_many_ids_or_a_purged_log_mean_a_full_read(sandbox: Sandbox, pushed: Settings) -> None:
    with Warehouse.of(pushed).transaction() as connection:
        connection.execute("UPDATE salesforce.checkpoints SET covered_until = covered_until - INTERVAL 2 HOUR")
    sandbox.org.replication.id_limit = 3
    age(sandbox, "LearningItem", minutes=24 * 60)  # else they come into the window with the next whole minute
    sandbox.org.set_values("LearningItem", sandbox.org.records("LearningItem")[0]["Id"], Type="LearningContent")
    for name in (ENROLLMENT, "LearningItemProgress"):
        age(sandbox, name)
    report = run_readback(pushed)
    assert report.objects[ENROLLMENT].full == "more changes than one answer names"
    assert report.objects["LearningItem"].full == ""
    sandbox.org.replication.purge_log()
    with Warehouse.of(pushed).transaction() as connection:
        connection.execute("UPDATE salesforce.checkpoints SET covered_until = covered_until - INTERVAL 2 HOUR")
    assert run_match(pushed).objects["LearningItem"].full.startswith("the org's log of deletions")


def test_the_checkpoint_is_what_the_org_vouches_for(sandbox: Sandbox, pushed: Settings) -> None:
    run_check(pushed)
    rows = query(Warehouse.of(pushed), "SELECT object, covered_until, read_at FROM salesforce.checkpoints")
    for name, covered, read_at in rows:
        assert timedelta(0) <= read_at - covered < timedelta(minutes=2), name
    early = rows[0][2] - timedelta(hours=1)
    with Warehouse.of(pushed).transaction() as connection:
        connection.execute("UPDATE salesforce.checkpoints SET covered_until = ?", [early])
    held_back = (early + timedelta(minutes=7)).replace(microsecond=0)
    sandbox.org.replication.held_back = held_back  # a transaction that is still open
    run_check(pushed)
    columns = "SELECT DISTINCT covered_until FROM salesforce.checkpoints"
    assert query(Warehouse.of(pushed), f"{columns} WHERE object LIKE 'LMS%'") == [(held_back,)]
    sandbox.org.replication.held_back = early - timedelta(hours=1)
    run_check(pushed)
    again = query(Warehouse.of(pushed), f"{columns} WHERE object LIKE 'LMS%'")
    assert again == [(held_back,)], "a checkpoint never goes back"


def test_rows_and_their_checkpoint_commit_together(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_push(ready)
    original = readback_store.sql

    def broken(name: str, **parts: str) -> str:
        if name == "checkpoint_put":
            raise WarehouseError("the disk is full")
        return original(name, **parts)

    monkeypatch.setattr(readback_store, "sql", broken)
    with pytest.raises(WarehouseError):
        run_check(ready)
    warehouse = Warehouse.of(ready)
    assert query(warehouse, "FROM salesforce.lms_courses") == []
    assert query(warehouse, "SELECT object FROM salesforce.checkpoints WHERE object LIKE 'LMS%'") == []
    monkeypatch.setattr(readback_store, "sql", original)
    assert run_check(ready).objects[COURSE].inserted == 5


# -- our own records --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bin_emptied", [False, True])
def test_a_deleted_record_is_noticed_and_the_next_push_makes_it_anew(
    sandbox: Sandbox, pushed: Settings, bin_emptied: bool
) -> None:
    victim = sandbox.org.records(ENROLLMENT)[0]
    key = victim["Absorb_Enrollment_Id__c"]
    assert somebody(sandbox).delete(f"{DATA}/{ENROLLMENT}/{victim['Id']}").status_code == 204
    if bin_emptied:  # only the log of deletions knows of it, and it counts in whole minutes
        sandbox.org.empty_recycle_bin(ENROLLMENT)
        sandbox.org.table(ENROLLMENT).purged[victim["Id"]] = ago(sandbox, 2)
    report = run_check(pushed)
    assert report.objects[ENROLLMENT].full == ""
    assert (report.own[ENROLLMENT].deleted, report.own[ENROLLMENT].due, report.drift) == (1, 1, {"deleted": 1})
    assert drift(pushed) == [("deleted", key, None, None, None)]
    assert state_of(pushed, key) == "missing"
    again = run_push(pushed)
    assert (again.targets["lms_enrollment"].create, again.targets["lms_enrollment"].created) == (1, 1)
    (record,) = of_org(sandbox, ENROLLMENT, Absorb_Enrollment_Id__c=key)
    assert record["Id"] != victim["Id"]
    assert run_check(pushed).drift == {}
    assert state_of(pushed, key) == "accepted"
    kept = query(
        Warehouse.of(pushed),
        "SELECT count(*), count(_removed_at) FROM salesforce.lms_enrollments WHERE external_id = ?",
        [key],
    )
    assert kept == [(2, 1)]


def test_records_that_left_before_the_first_look_are_noticed(sandbox: Sandbox, ready: Settings) -> None:
    run_push(ready)
    victim = sandbox.org.records(ENROLLMENT)[0]
    sandbox.org.delete(ENROLLMENT, [victim["Id"]])
    sandbox.org.empty_recycle_bin(ENROLLMENT)
    assert run_check(ready).own[ENROLLMENT].deleted == 1
    assert run_push(ready).targets["lms_enrollment"].created == 1


def test_an_undeleted_record_is_back(sandbox: Sandbox, pushed: Settings) -> None:
    victim = sandbox.org.records(ENROLLMENT)[0]
    sandbox.org.delete(ENROLLMENT, [victim["Id"]])
    run_check(pushed)
    sandbox.org.undelete(ENROLLMENT, victim["Id"])
    assert run_push(pushed).targets["lms_enrollment"].created == 0
    assert run_check(pushed).drift == {}
    removed = "SELECT count(*) FROM salesforce.lms_enrollments WHERE _removed_at IS NOT NULL"
    assert query(Warehouse.of(pushed), removed) == [(0,)]


def test_a_deleted_course_comes_back_with_the_lookups_of_its_enrollments(sandbox: Sandbox, pushed: Settings) -> None:
    course = sandbox.org.records(COURSE)[0]
    theirs = {row["Id"] for row in of_org(sandbox, ENROLLMENT, LMS_Course__c=course["Id"])}
    assert theirs
    sandbox.org.delete(COURSE, [course["Id"]])
    assert not of_org(sandbox, ENROLLMENT, LMS_Course__c=course["Id"]), "the org clears the lookups"
    report = run_check(pushed)
    assert (report.own[COURSE].deleted, report.own[COURSE].due) == (1, 1 + len(theirs))
    assert run_push(pushed).complete
    (anew,) = of_org(sandbox, COURSE, Absorb_Course_Id__c=course["Absorb_Course_Id__c"])
    assert {row["Id"] for row in of_org(sandbox, ENROLLMENT, LMS_Course__c=anew["Id"])} == theirs


def test_a_read_back_that_ends_after_the_courses_has_marked_their_enrollments(
    sandbox: Sandbox, pushed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = sandbox.org.records(COURSE)[0]
    theirs = {row["Id"] for row in of_org(sandbox, ENROLLMENT, LMS_Course__c=course["Id"])}
    sandbox.org.delete(COURSE, [course["Id"]])
    mark = readback_own.LedgerCheck.mark

    def ends(self: Any, connection: Any, reading: Reading) -> Any:
        if reading.readable.object == ENROLLMENT:
            raise ServerFaultError("the org went away", status=503)
        return mark(self, connection, reading)

    with monkeypatch.context() as patch:
        patch.setattr(readback_own.LedgerCheck, "mark", ends)
        with pytest.raises(ServerFaultError):
            run_check(pushed)
    assert run_push(pushed).complete
    (anew,) = of_org(sandbox, COURSE, Absorb_Course_Id__c=course["Absorb_Course_Id__c"])
    assert {row["Id"] for row in of_org(sandbox, ENROLLMENT, LMS_Course__c=anew["Id"])} == theirs


def test_a_foreign_change_is_drift_and_the_next_push_repairs_it(sandbox: Sandbox, pushed: Settings) -> None:
    before = sandbox.org.records(ENROLLMENT)
    victim = next(row for row in before if row["Due_Date__c"] and row["Score__c"] is not None)
    key = victim["Absorb_Enrollment_Id__c"]
    other = next(row["Id"] for row in sandbox.org.records(COURSE) if row["Id"] != victim["LMS_Course__c"])
    edit = {"Score__c": 99.5, "Due_Date__c": None, "LMS_Course__c": other, "Is_Current__c": not victim["Is_Current__c"]}
    with somebody(sandbox) as person:
        assert person.patch(f"{DATA}/{ENROLLMENT}/{victim['Id']}", json=edit).status_code == 204
    report = run_check(pushed)
    assert (report.own[ENROLLMENT].changed, report.own[ENROLLMENT].due) == (1, 1)
    assert [(kind, found, field) for kind, found, field, _, _ in drift(pushed)] == [
        ("changed", key, field)
        for field in ("Due_Date__c", "Is_Current__c", "LMS_Course__r.Absorb_Course_Id__c", "Score__c")
    ]
    assert drift(pushed)[3][3:] == (str(float(victim["Score__c"])), "99.5")
    assert state_of(pushed, key) == "changed"
    outcome = run_push(pushed).targets["lms_enrollment"]
    assert (outcome.create, outcome.update, outcome.accepted) == (0, 1, 1)
    stamps = {"LastModifiedById", "LastModifiedDate", "SystemModstamp"}
    (after,) = of_org(sandbox, ENROLLMENT, Absorb_Enrollment_Id__c=key)
    assert {k: v for k, v in after.items() if k not in stamps} == {k: v for k, v in victim.items() if k not in stamps}
    assert run_check(pushed).drift == {}
    assert run_push(pushed).targets["lms_enrollment"].sent == 0


def test_a_bulk_job_repairs_too(sandbox: Sandbox, pushed: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {row["Absorb_Enrollment_Id__c"]: row for row in sandbox.org.records(ENROLLMENT)}
    deleted, changed = sorted(before)[:2]
    sandbox.org.delete(ENROLLMENT, [before[deleted]["Id"]])
    with somebody(sandbox) as person:
        edit = {"Progress_Status__c": None, "Completed_Percent__c": 1.5}
        person.patch(f"{DATA}/{ENROLLMENT}/{before[changed]['Id']}", json=edit)
    run_check(pushed)
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__BULK_THRESHOLD", "1")
    report = run_push(load_settings()).targets["lms_enrollment"]
    assert (report.method, report.created, report.accepted) == ("bulk", 1, 2)
    assert run_check(pushed).drift == {}
    after = {row["Absorb_Enrollment_Id__c"]: row for row in sandbox.org.records(ENROLLMENT)}
    for key in (deleted, changed):
        for name in ("Progress_Status__c", "Completed_Percent__c", "LMS_Course__c", "Learner_User__c"):
            assert after[key][name] == before[key][name]


def test_a_foreign_write_of_the_same_values_or_of_other_fields_is_no_drift(sandbox: Sandbox, pushed: Settings) -> None:
    first, second = sandbox.org.records(ENROLLMENT)[:2]
    with somebody(sandbox) as person:
        same = {"Progress_Status__c": first["Progress_Status__c"], "Assigned_Date__c": first["Assigned_Date__c"]}
        assert person.patch(f"{DATA}/{ENROLLMENT}/{first['Id']}", json=same).status_code == 204
        theirs = {"OwnerId": sandbox.org.records("User")[3]["Id"]}
        assert person.patch(f"{DATA}/{ENROLLMENT}/{second['Id']}", json=theirs).status_code == 204
    report = run_check(pushed)
    assert report.objects[ENROLLMENT].updated == 2
    assert report.drift == {}
    assert run_push(pushed).targets["lms_enrollment"].sent == 0


def test_a_change_by_our_own_user_long_after_the_push_is_drift_too(sandbox: Sandbox, pushed: Settings) -> None:
    victim = sandbox.org.records(COURSE)[0]
    with Warehouse.of(pushed).transaction() as connection:  # as if pushed an hour ago
        connection.execute("UPDATE salesforce.push_ledger SET accepted_at = accepted_at - INTERVAL 1 HOUR")
    sandbox.org.update(COURSE, victim["Id"], {"Vendor__c": "Someone Ltd"})
    assert run_check(pushed).own[COURSE].changed == 1
    assert run_push(pushed).targets["lms_course"].sent == 1
    assert of_org(sandbox, COURSE, Id=victim["Id"])[0]["Vendor__c"] == victim["Vendor__c"]


def test_foreign_changes_are_left_alone_where_the_setting_says_so(
    sandbox: Sandbox, pushed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__OVERWRITE_FOREIGN_CHANGES", "false")
    victim = sandbox.org.records(ENROLLMENT)[0]
    with somebody(sandbox) as person:
        person.patch(f"{DATA}/{ENROLLMENT}/{victim['Id']}", json={"Score__c": 1.25})
    chosen = load_settings()
    for _ in range(2):
        report = run_check(chosen)
        assert (report.own[ENROLLMENT].changed, report.own[ENROLLMENT].due, report.drift) == (1, 0, {"changed": 1})
        assert run_push(chosen).targets["lms_enrollment"].sent == 0
    assert of_org(sandbox, ENROLLMENT, Id=victim["Id"])[0]["Score__c"] == 1.25


# -- objects that the org lacks; sync ---------------------------------------------------------------------------------


def test_an_org_without_the_licence_is_told_so_and_read_all_the_same(sandbox: Sandbox, ready: Settings) -> None:
    run_push(ready)
    for name in ("LearningItemProgress", "LearningItem"):
        sandbox.org.remove_object(name)
    report = run_readback(ready)
    assert report.absent == {"LearningItem": "not in this org", "LearningItemProgress": "not in this org"}
    assert report.objects[ENROLLMENT].inserted > 100
    assert report.items == {}


def test_an_org_before_the_deployment_is_told_so(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.remove_object(ENROLLMENT)
    report = run_check(ready)
    assert "does not exist" in report.absent[ENROLLMENT]
    assert COURSE in report.objects


def test_a_sync_reads_back_after_the_push(sandbox: Sandbox, ready: Settings) -> None:
    report = run_sync(ready)
    assert report.complete
    assert report.match is not None
    assert report.readback is not None
    assert list(report.seconds) == ["pull", "match", "build", "push", "readback", "publish"]
    assert set(report.match.objects) == {"User", "Contact", "LearningItem"}
    assert set(report.readback.objects) == {COURSE, ENROLLMENT, "LearningItemProgress"}
    assert report.match.calls + report.readback.calls < 20
    sandbox.org.delete(COURSE, [sandbox.org.records(COURSE)[0]["Id"]])
    published = run_sync(ready).publish.path
    with duckdb.connect(str(published), read_only=True) as copy:
        assert copy.execute("SELECT kind, object FROM salesforce.drift").fetchall() == [("deleted", COURSE)]


def failing_at(part: str, failure: LearnsyncError) -> Callable[..., ReadbackReport]:
    """A read-back of which one part fails."""

    def read(*given: Any, parts: tuple[Part, ...]) -> ReadbackReport:
        if parts == (part,):
            raise failure
        return readback(*given, parts=parts)

    return read


def test_an_org_that_cannot_be_read_is_not_pushed_to_and_the_rest_of_the_sync_is_done(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = ServerFaultError("the org went away", status=503)
    monkeypatch.setattr("connector.sync.readback", failing_at("match", failure))
    with pytest.raises(ServerFaultError, match="the org went away"):
        run_sync(ready)
    assert sandbox.org.write_counts["objects"] == {}
    outcomes = query(Warehouse.of(ready), "SELECT command, outcome FROM ops.runs WHERE command <> 'readback'")
    done = {(name, "complete") for name in ("pull", "build", "publish")}
    assert set(outcomes) == done | {("match", "failed")}
    assert ready.warehouse.publish_path.is_file()


def test_a_read_back_that_fails_is_reported_and_does_not_undo_the_push(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = LearnsyncError("The org is closed.", remedy="Come back later.")
    monkeypatch.setattr("connector.sync.readback", failing_at("check", failure))
    report = run_sync(ready)
    assert report.push is not None
    assert report.push.complete
    assert (report.readback, report.readback_error) == (None, "The org is closed. Come back later.")
    assert not report.complete
    assert report.publish.path.is_file()
    outcomes = query(Warehouse.of(ready), "SELECT outcome, message FROM ops.runs WHERE command = 'readback'")
    assert outcomes == [("failed", "The org is closed. Come back later.")]
