"""A push looks at what changed alone, and sends exactly what a look at every record would send."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from started import Start, catch_up, portal_of, started
from support import Row, examples, query

from connector.push import changes, difference
from connector.push.ledger import Ledger
from connector.push.reports import Pauses, PushOptions, PushReport
from connector.salesforce.push.bulk_ledger import BulkLedger
from connector.salesforce.push.collections import CollectionsPush
from connector.salesforce.push.objects import ObjectTarget
from connector.sandbox.server import Sandbox
from connector.settings import Settings, load_settings
from connector.sync import run_build, run_check, run_push
from connector.warehouse.changed import note_ids
from connector.warehouse.database import Connection, Warehouse
from mappings import PACKAGED

ENROLLMENT, KEY = "LMS_Enrollment__c", "Absorb_Enrollment_Id__c"
AS_OF = "2027-06-01T12:00:00Z"
QUICK = Pauses(between_tries=0.001, first_poll=0.001)
OPEN = {"status": 1, "isActive": True, "dateCompleted": None, "dateDue": "2027-06-30T00:00:00"}


class Killed(BaseException):
    """Ends a push where a signal that nobody can catch would."""


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    def all_on_the_way(box: Sandbox) -> None:
        box.portal.edit([row["id"] for row in box.portal.rows("enrollments")], changes=OPEN)

    folder, today = tmp_path_factory.mktemp("start"), {"LEARNSYNC_MAPPING__AS_OF": AS_OF}
    return started(folder, scale=60, courses=2, variables=today, before=all_on_the_way)


@contextmanager
def beside(start: Start, folder: Path) -> Iterator[tuple[Sandbox, pytest.MonkeyPatch]]:
    """A portal and an org of their own, settings that name them, and a warehouse that is pulled and built."""
    shutil.copy(start.warehouse, folder / "warehouse.duckdb")
    (folder / "landing").mkdir()
    with portal_of(start) as box, pytest.MonkeyPatch.context() as patch:
        limits = {f"LEARNSYNC_ABSORB__{name}": "5000" for name in ("REQUESTS_PER_SECOND", "BURST")}
        paths = {
            f"LEARNSYNC_WAREHOUSE__{name}PATH": str(folder / file)
            for name, file in (("", "warehouse.duckdb"), ("PUBLISH_", "learning.duckdb"))
        }
        for name, value in {**box.settings(), **limits, **paths, "LEARNSYNC_MAPPING__AS_OF": AS_OF}.items():
            patch.setenv(name, value)
        yield box, patch


@pytest.fixture
def sandbox(start: Start, tmp_path: Path) -> Iterator[Sandbox]:
    with beside(start, tmp_path) as (box, _):
        yield box


@pytest.fixture
def pushed(sandbox: Sandbox) -> Settings:
    """Pushed twice: the first push matches learners, and a build then knows the owners of native records."""
    assert run_push(load_settings()).complete
    run_build(load_settings())
    run_push(load_settings())
    return load_settings()


def enrollments(report: PushReport) -> Any:
    return report.targets["lms_enrollment"]


def totals(report: PushReport) -> tuple[Any, ...]:
    found = enrollments(report)
    return found.create, found.update, found.unchanged, found.held, dict(found.blocked)


def some(sandbox: Sandbox, number: int = 1) -> list[str]:
    return sorted(row[KEY] for row in sandbox.org.records(ENROLLMENT))[:number]


def change(keys: list[str], assignments: str) -> None:
    """Change enrollments as a pull does, and build."""
    with Warehouse.of(load_settings()).transaction() as connection:
        update = f"UPDATE absorb.enrollments SET {assignments} WHERE list_contains(?, CAST(id AS VARCHAR))"
        connection.execute(update, [keys])
        note_ids(connection, "default", "enrollments", keys)
    run_build(load_settings())


def push(**options: Any) -> Any:
    """Push without reading people; what the push says of enrollments."""
    return enrollments(run_push(load_settings(), PushOptions(match=False, pauses=QUICK, **options)))


def percent(sandbox: Sandbox, keys: list[str]) -> set[float]:
    return {row["Completed_Percent__c"] for row in sandbox.org.records(ENROLLMENT) if row[KEY] in keys}


def test_what_did_not_change_is_not_looked_at(sandbox: Sandbox, pushed: Settings) -> None:
    whole = run_push(pushed, PushOptions(dry_run=True))
    assert enrollments(whole).compared > 50
    assert [enrollments(run_push(pushed)).compared for _ in range(2)] == [0, 0]
    assert totals(run_push(pushed)) == totals(whole)
    keys = sandbox.portal.edit(some(sandbox), changes={**OPEN, "progress": 41.5})
    catch_up(load_settings())
    report = enrollments(run_push(pushed))
    assert (report.compared, report.update, report.accepted) == (1, 1, 1)
    assert percent(sandbox, keys) == {41.5}
    assert enrollments(run_push(pushed)).compared == 0, "the org accepted just what it lacked"


def test_a_look_at_every_record_keeps_none_in_memory(
    sandbox: Sandbox, pushed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No temp table has a row per record, and no payload is kept of a record that is unchanged."""
    kept = []
    plan = ObjectTarget.plan

    def looked_at(target: ObjectTarget, connection: Connection) -> Any:
        outcome = plan(target, connection)
        payloads = "SELECT action, count(*), count(payload) FROM pushable GROUP BY action ORDER BY action"
        tables = "SELECT coalesce(max(estimated_size), 0) FROM duckdb_tables() WHERE temporary"
        kept.append((connection.execute(payloads).fetchall(), connection.execute(tables).fetchall()))
        return outcome

    monkeypatch.setattr(ObjectTarget, "plan", looked_at)
    same, sent = push(dry_run=True).unchanged, push(full=True).sent
    assert same == sent > 40
    rows = [{action: (records, payloads) for action, records, payloads in found} for found, _ in kept]
    assert (rows[1]["unchanged"], rows[3]["update"]) == ((same, 0), (sent, sent))
    assert [tables for _, tables in kept] == [[(0,)]] * len(kept)


def lose_the_answers(_: Sandbox, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "put", kill)
    with pytest.raises(Killed):
        push()


def die_before_sending(_: Sandbox, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CollectionsPush, "send", kill)
    with pytest.raises(Killed):
        push()


def limit(_: Sandbox, __: pytest.MonkeyPatch) -> None:
    assert push(limit=1).sent == 1


def only_look(_: Sandbox, __: pytest.MonkeyPatch) -> None:
    assert push(dry_run=True).update == 5


def push_courses(_: Sandbox, __: pytest.MonkeyPatch) -> None:
    run_push(load_settings(), PushOptions(targets=["lms_course"]))


def be_refused_for_now(sandbox: Sandbox, _: pytest.MonkeyPatch) -> None:
    for key in some(sandbox, 5):
        sandbox.org.refuse_record(key, "ENTITY_IS_LOCKED")
    assert push().deferred == 5
    sandbox.org.forgive()


def be_held(_: Sandbox, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(changes, "LEAST_RECORDS", 3)
    patch.setenv("LEARNSYNC_SALESFORCE__MAX_CHANGE_PERCENT", "1")
    first, second = (push().hold for _ in range(2))
    assert first == second, "the same plan is the same hold"
    assert first.counts["blank"] == {"Due_Date__c": 5}


DEEDS = (lose_the_answers, die_before_sending, limit, only_look, push_courses, be_refused_for_now, be_held)


@pytest.mark.usefixtures("pushed")
def test_what_was_due_stays_due(sandbox: Sandbox) -> None:
    keys = some(sandbox, 5)
    for number, deed in enumerate(DEEDS):
        change(keys, f"progress = {number + 0.25}" + (", date_due = NULL, _due_day = NULL" if deed is be_held else ""))
        with pytest.MonkeyPatch.context() as patch:
            deed(sandbox, patch)
        push()
        assert percent(sandbox, keys) == {number + 0.25}, deed
    assert push().compared == 0


def test_whose_match_changes_is_looked_at(sandbox: Sandbox, pushed: Settings) -> None:
    """Blocked records become due with the match, and no others are looked at."""
    (user,) = query(
        Warehouse.of(pushed),
        "SELECT user_id, count(*), any_value(u.external_id) FROM learning_item_progress AS p"
        " JOIN salesforce.learner_matches AS m USING (tenant_id, user_id) JOIN absorb.users AS u ON u.id = user_id"
        " WHERE m.outcome = 'unmatched' AND u.email_address IS NOT NULL GROUP BY user_id ORDER BY 2 DESC, 1 LIMIT 1",
    )
    email = sandbox.portal.get("users", str(user[0]))["emailAddress"]
    sandbox.org.add("Contact", LastName="Found", Email=email)
    report = enrollments(run_push(pushed))
    assert (report.compared, report.created) == (user[1], user[1])


def test_everything_is_looked_at_where_anything_but_rows_changed(
    sandbox: Sandbox, pushed: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = enrollments(run_push(pushed, PushOptions(dry_run=True))).compared

    def compared(options: PushOptions | None = None) -> int:
        return int(enrollments(run_push(load_settings(), options)).compared)

    assert compared() == 0
    assert compared(PushOptions(full=True)) == everything
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__PUSH_UNMATCHED", "true")
    assert [compared(), compared()] == [everything, 0]
    own_maps(tmp_path / "maps", "salesforce_fields.csv", "Progress_Rule__c", monkeypatch)
    assert [compared(), compared()] == [everything, 0]
    with Warehouse.of(pushed).connect() as connection:
        connection.execute("DELETE FROM salesforce.push_ledger WHERE external_id = ?", some(sandbox))
    assert [compared(), compared()] == [everything, 0]
    own_maps(tmp_path / "maps", "sql/push_enrollments.sql", "-- What", monkeypatch)
    assert [compared(), compared()] == [everything, everything], "nobody knows what a query of one's own depends on"


def own_maps(folder: Path, name: str, without: str, patch: pytest.MonkeyPatch) -> None:
    """Maps of one's own: a packaged file without the lines that hold a text."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    lines = (PACKAGED / name).read_text("utf-8").splitlines(keepends=True)
    (folder / name).write_text("".join(line for line in lines if without not in line), "utf-8")
    patch.setenv("LEARNSYNC_MAPPING__DIR", str(folder))


# -- whatever happens -------------------------------------------------------------------------------------------------


def kill(*_: object, **__: object) -> None:
    raise Killed


class Story:
    """Things that happen to a portal, an org, the maps and pushes; each push is compared with a look at all."""

    def __init__(self, box: Sandbox, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.box, self.patch, self.folder = box, patch, folder
        self.wrong: list[str] = []
        self.looked_at: list[int] = []
        self.day = 1
        self.waiting: list[str] = []  # ids of holds
        self.open_job = False
        patch.setattr(ObjectTarget, "plan", self._checked(ObjectTarget.plan))

    def _checked(self, plan: Any) -> Any:
        def checked(target: ObjectTarget, connection: Connection) -> Any:
            options = target._run.options
            if target.object != ENROLLMENT or options.dry_run:
                return plan(target, connection)
            file = target.file.with_suffix(".whole")
            difference.compute(connection, target.source, target.ledger.key, full=options.full, file=file)
            expected, all_due = difference.report(connection, "", "", 0), due(connection)
            outcome = plan(target, connection)
            pairs = [(all_due, due(connection))]
            pairs += [(getattr(expected, name), getattr(outcome, name)) for name in ("unchanged", "held", "blocked")]
            self.wrong += [f"whole {whole}, by change {by_change}" for whole, by_change in pairs if whole != by_change]
            self.looked_at.append(outcome.compared)
            return outcome

        return checked

    def keys(self, place: int, number: int) -> list[str]:
        known = sorted(row["id"] for row in self.box.portal.rows("enrollments"))
        return [known[(place + step) % len(known)] for step in range(number)]

    def in_org(self, place: int) -> Row | None:
        there = sorted(self.box.org.records(ENROLLMENT), key=lambda row: str(row[KEY]))
        return there[place % len(there)] if there else None

    def edited(self, place: int) -> None:
        """Some go on, or back, and some have an end of theirs taken away."""
        due_at = "TIMESTAMPTZ '2027-06-30T12:00:00Z'" if place % 3 else "NULL"
        keys = self.keys(place, 1 + place % 20)
        change(keys, f"progress = {place}, date_due = {due_at}, _due_day = NULL, status = {place % 4}")

    def pulled(self, place: int) -> None:
        self.box.portal.edit(self.keys(place, 3))
        catch_up(load_settings())

    def next_day(self, place: int) -> None:
        self.day = 1 + place % 28
        self.patch.setenv("LEARNSYNC_MAPPING__AS_OF", f"2027-07-{self.day:02d}T12:00:00Z")
        run_build(load_settings())

    def removed(self, place: int) -> None:
        change(self.keys(place, 2), f"_removed_at = {'now()' if place % 3 else 'NULL'}")

    def unmapped(self, place: int) -> None:
        change(self.keys(place, 1), "status = 99")

    def matched_otherwise(self, place: int) -> None:
        people = sorted(self.box.org.records("User"), key=lambda row: str(row["Id"]))
        person = people[place % len(people)]
        self.box.org.set_values("User", person["Id"], IsActive=not person["IsActive"])

    def refused(self, place: int) -> None:
        codes = ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "ENTITY_IS_LOCKED", "UNKNOWN_EXCEPTION", "UNABLE_TO_LOCK_ROW")
        for key in self.keys(place, 3):
            self.box.org.refuse_record(key, codes[place % len(codes)])

    def forgiven(self, _: int) -> None:
        self.box.org.forgive()

    def deleted_in_org(self, place: int) -> None:
        if record := self.in_org(place):
            self.box.org.delete(ENROLLMENT, [record["Id"]])
            run_check(load_settings())

    def changed_in_org(self, place: int) -> None:
        if record := self.in_org(place):
            self.box.org.set_values(ENROLLMENT, record["Id"], Completed_Percent__c=1.25)
            with Warehouse.of(load_settings()).connect() as connection:
                connection.execute("UPDATE salesforce.push_ledger SET accepted_at = accepted_at - INTERVAL 1 HOUR")
            run_check(load_settings())

    def setting(self, place: int) -> None:
        self.patch.setenv("LEARNSYNC_SALESFORCE__PUSH_UNMATCHED", ("true", "false")[place % 2])

    def fields(self, place: int) -> None:
        own_maps(self.folder, "salesforce_fields.csv", ("Progress_Rule__c", "nothing of it")[place % 2], self.patch)

    def bulk(self, place: int) -> None:
        self.patch.setenv("LEARNSYNC_SALESFORCE__BULK_THRESHOLD", ("1", "2000")[place % 2])

    def looked(self, _: int) -> None:
        self._push(dry_run=True)

    def limited(self, place: int) -> None:
        self._push(limit=1 + place % 9)

    def full(self, _: int) -> None:
        self._push(full=True)

    def courses_alone(self, _: int) -> None:
        self._push(targets=["lms_course"])

    def approved(self, _: int) -> None:
        self._push(approve=self.waiting)

    def pushed(self, _: int) -> None:
        """What a dry run, which looks at all, says of holds and shows is what the push says and shows."""
        looked = None if self.open_job else enrollments(self._push(dry_run=True))
        found = enrollments(self._push())
        self.waiting = [found.hold.id] if found.hold else []
        if looked and shown(looked) != shown(found):
            self.wrong.append(f"a look at all: {shown(looked)}, by change: {shown(found)}")
        self.open_job = False

    def killed(self, place: int) -> None:
        at = ((Ledger, "put"), (BulkLedger, "settle"), (ObjectTarget, "send"), (BulkLedger, "enter"))[place % 4]
        self.open_job = self.open_job or at[1] == "settle"
        with self.patch.context() as inside:
            inside.setattr(*at, kill)
            try:
                self._push()
            except Killed:
                return

    def _push(self, **options: Any) -> PushReport:
        return run_push(load_settings(), PushOptions(pauses=QUICK, **options))


def shown(report: Any) -> tuple[Any, ...]:
    """The plan and the counts of a hold, and which records are shown."""
    held = report.hold and (report.hold.plan_hash, report.hold.counts)
    return held, [(sample["action"], sample["external_id"]) for sample in report.samples]


def due(connection: Connection) -> Counter[tuple[str, str, str]]:
    found = connection.execute(
        "SELECT action, external_id, payload_hash FROM pushable WHERE action IN ('create', 'update')"
    )
    return Counter(found.fetchall())


EVENTS = (
    "edited", "edited", "pulled", "next_day", "removed", "unmapped", "matched_otherwise", "refused", "forgiven",
    "deleted_in_org", "changed_in_org", "setting", "fields", "bulk", "looked", "limited", "full", "courses_alone",
    "approved", "killed", "killed", "pushed", "pushed", "pushed",
)  # fmt: skip


@pytest.mark.property
@settings(max_examples=examples(2))
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 99)), min_size=4, max_size=10))
def test_whatever_happened_the_difference_is_that_of_all_records(start: Start, events: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, beside(start, Path(folder)) as (box, patch):
        patch.setattr(changes, "LEAST_RECORDS", 3)
        story = Story(box, patch, Path(folder) / "maps")
        story.pushed(0)
        for name, place in [*events, ("pushed", 0), ("pushed", 0)]:
            getattr(story, name)(place)
            assert story.wrong == [], name
