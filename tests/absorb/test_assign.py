"""Assignments of Salesforce → enrollments in Absorb over real HTTP: whom, once, and never against an admin's will."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hostile import KEY_REFUSED, ROLE_REFUSED, SEMANTIC, Call, Fault, Stage, quiet, reply, reset, truncated
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from started import Start, catch_up, portal_of, started
from support import Row, query, records
from typer.testing import CliRunner

from connector.absorb.pull.pull import pull_lock
from connector.assignments import AssignOptions, AssignReport
from connector.cli import console
from connector.cli.main import app
from connector.errors import (
    IdentityError,
    LearnsyncError,
    PermissionDeniedError,
    ServerFaultError,
    SettingsError,
    WarehouseLockedError,
)
from connector.http import retry
from connector.sandbox.org import Org
from connector.sandbox.portal import Portal
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.sync import run_assign, run_pull, run_readback, run_reconcile
from connector.warehouse.database import Warehouse

REPO = Path(__file__).resolve().parents[2]
OBJECT = "LearningItemAssignment"
PREFIX = "LEARNSYNC_ASSIGNMENTS__"
APPLY = AssignOptions(apply=True)
STREAMS = ("departments", "users", "courses", "enrollments")
# Learners and courses whose match is plain and who do not go together yet.
FREE = """
    SELECT m.salesforce_user_id AS person, i.learning_item_id AS item,
      CAST(m.user_id AS VARCHAR) AS learner, CAST(i.course_id AS VARCHAR) AS course
    FROM salesforce.learner_matches AS m
    JOIN absorb.users AS u ON u.id = m.user_id AND u.active_status = 0
    CROSS JOIN salesforce.item_matches AS i
    JOIN absorb.courses AS c ON c.id = i.course_id AND c.active_status = 0
    WHERE m.outcome = 'matched' AND m.salesforce_user_id IS NOT NULL AND i.outcome = 'matched'
      AND NOT EXISTS (FROM absorb.enrollments AS e WHERE e.user_id = m.user_id AND e.course_id = i.course_id)
    QUALIFY row_number() OVER (PARTITION BY m.user_id ORDER BY i.course_id) = 1
    ORDER BY m.user_id
"""


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """As elsewhere, with an org that is read back."""

    def work(settings: Settings) -> None:
        catch_up(settings)
        run_readback(settings)

    return started(tmp_path_factory.mktemp("start"), scale=120, courses=4, salesforce=True, work=work)


@pytest.fixture
def sandbox(start: Start) -> Iterator[Sandbox]:
    """A portal with the rows of `start`, and the org that goes with it."""
    with portal_of(start, salesforce="agreeing") as running:
        yield running


@pytest.fixture
def org(sandbox: Sandbox) -> Org:
    assert sandbox.org is not None
    return sandbox.org


@pytest.fixture
def stage(serving: Stage, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The portal of `sandbox` behind a script; every call is noted."""
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.002)
    serving.show(sandbox.portal)
    return serving


@pytest.fixture
def ready(start: Start, stage: Stage, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Turned on, and everything read."""
    shutil.copy(start.warehouse, settings.warehouse.path)
    login = stage.absorb
    for name, value in (("BASE_URL", stage.url), ("API_KEY", login.api_key), ("PASSWORD", login.password)):
        monkeypatch.setenv(f"LEARNSYNC_ABSORB__{name}", value)
    monkeypatch.setenv("LEARNSYNC_ABSORB__USERNAME", login.username)
    monkeypatch.setenv(f"{PREFIX}ENABLED", "true")
    return load_settings()


@pytest.fixture
def free(ready: Settings) -> list[Row]:
    """Pairs {person, item, learner, course} that no enrollment joins."""
    found = records(Warehouse.of(ready), FREE)
    assert len(found) >= 6
    return found


def assign_in(org: Org, *pairs: Row) -> list[str]:
    """Assign as an admin of the org does; the ids of the assignments."""
    rows = [{"AssigneeId": pair["person"], "LearningItemId": pair["item"]} for pair in pairs]
    results = org.insert(OBJECT, rows)
    assert all(result["success"] for result in results)
    return [result["id"] for result in results]


def enrolled(portal: Portal, pair: Row) -> list[Row]:
    return portal.enrollments_of(pair["learner"], pair["course"])


def posts(stage: Stage) -> list[Call]:
    return [call for call in stage.calls if call.method == "POST" and call.kind != "login"]


def on_post(*faults: Fault) -> Any:
    """The first POSTs of enrollments meet these faults in turn."""
    waiting = list(faults)

    def script(call: Call) -> Fault | None:
        return waiting.pop(0) if call.method == "POST" and call.kind != "login" and waiting else None

    return script


def ledger(settings: Settings) -> dict[str, tuple[Any, ...]]:
    """Assignment → (state, error code, attempts)."""
    rows = query(Warehouse.of(settings), "SELECT assignment_id, state, error_code, attempts FROM ops.assignments")
    return {row[0]: row[1:] for row in rows}


def contents(settings: Settings) -> list[Any]:
    tables = ("ops.assignments", "ops.runs", "absorb.enrollments", "salesforce.learner_matches", "ops.watermarks")
    return [query(Warehouse.of(settings), f"FROM {table} ORDER BY ALL") for table in tables]


def outcome(report: AssignReport) -> tuple[int, int, int, int]:
    return report.enrolled, report.already, report.rejected, report.deferred


def test_nobody_is_enrolled_in_another_portal(
    org: Org, ready: Settings, free: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    assign_in(org, *free[:2])
    with Sandbox(SandboxOptions(scale=0, courses=1, rate_limit=0, salesforce=False, seed=7)) as other:
        for name, value in other.settings().items():
            monkeypatch.setenv(name, value)
        before = ledger(ready)
        with pytest.raises(IdentityError, match="another portal"):
            run_assign(load_settings(), APPLY)
        assert other.portal.rows("enrollments") == []
    assert ledger(ready) == before


# -- whom, and once ---------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_what_is_due_and_writes_nothing(
    org: Org, stage: Stage, ready: Settings, free: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = assign_in(org, *free[:4])
    before = contents(ready), stage.portal.rows("enrollments"), org.write_counts
    monkeypatch.setenv(f"{PREFIX}ENABLED", "false")  # looking needs no opt-in
    report = run_assign(load_settings())
    assert (report.dry_run, report.read, report.outcomes, report.complete) == (True, 4, {"enroll": 4}, True)
    shown = [(sample["assignment_id"], sample["user_id"], sample["course_id"]) for sample in report.samples]
    assert shown == [(key, pair["learner"], pair["course"]) for key, pair in zip(ids, free, strict=False)][:3]
    assert report.samples[0]["learner"] == free[0]["person"]
    assert stage.calls == []
    assert (contents(ready), stage.portal.rows("enrollments"), org.write_counts) == before
    assert not [path for path in ready.warehouse.outbox.iterdir() if path.is_dir()]


def test_apply_enrolls_exactly_those_and_does_it_once(org: Org, stage: Stage, ready: Settings, free: list[Row]) -> None:
    before = {row["id"] for row in stage.portal.rows("enrollments")}
    there = records(Warehouse.of(ready), FREE.replace("AND NOT EXISTS", "AND EXISTS"))[0]
    stranger = {"person": org.add("User", LastName="Stranger", Name="Stranger", IsActive=True), "item": free[0]["item"]}
    failed, *_ = assign_in(org, free[5], *free[:3], free[1], there, stranger)
    org.set_values(OBJECT, failed, AssignmentStatus="Failed")

    report = run_assign(ready, APPLY)
    assert report.outcomes == {"duplicate": 1, "enroll": 3, "enrolled": 1, "unknown_learner": 1}
    assert (outcome(report), report.complete, report.left_out) == ((3, 0, 0, 0), True, 0)
    new = [row for row in stage.portal.rows("enrollments") if row["id"] not in before]
    wanted = [(pair["learner"], pair["course"]) for pair in free[:3]]
    assert sorted((row["userId"].lower(), row["courseId"].lower()) for row in new) == sorted(wanted)
    assert {state for state, _, _ in ledger(ready).values()} == {"enrolled"}
    assert [call.query for call in posts(stage)] == [{}] * 3, "nobody is enrolled again"
    held = query(Warehouse.of(ready), "SELECT command, outcome FROM ops.runs ORDER BY started_at DESC LIMIT 1")
    assert held == [("assign", "complete")]

    stage.calls.clear()
    again = run_assign(ready, APPLY)
    assert again.outcomes == {"enrolled": 5, "unknown_learner": 1}, "not pulled yet, and nobody took it away"
    assert (outcome(again), stage.calls) == ((0, 0, 0, 0), [])

    pulled = run_pull(ready).streams["enrollments"].counts
    assert pulled.inserted == 3
    assert run_assign(ready, APPLY).outcomes == {"enrolled": 5, "unknown_learner": 1}


@pytest.mark.parametrize("noticed", ["not at all", "by a pull", "by a sweep"])
def test_who_was_unenrolled_in_the_portal_stays_so(
    org: Org, stage: Stage, ready: Settings, free: list[Row], noticed: str
) -> None:
    assign_in(org, free[0])
    run_assign(ready, APPLY)
    if noticed == "by a sweep":
        run_pull(ready)
    stage.portal.delete([row["id"] for row in enrolled(stage.portal, free[0])])
    if noticed == "by a sweep":
        assert run_reconcile(ready).removed == 1
    if noticed == "by a pull":
        run_pull(ready)
    assign_in(org, free[0])  # not even when somebody assigns it anew
    said = "enrolled" if noticed == "not at all" else "done"
    assert run_assign(ready, APPLY).outcomes == {said: 2}
    assert enrolled(stage.portal, free[0]) == []


def test_an_enrollment_that_somebody_else_took_away_is_not_given_back(org: Org, stage: Stage, ready: Settings) -> None:
    pair = records(Warehouse.of(ready), FREE.replace("AND NOT EXISTS", "AND EXISTS"))[0]
    assign_in(org, pair)
    stage.portal.delete([row["id"] for row in enrolled(stage.portal, pair)])
    run_reconcile(ready)
    assert run_assign(ready, APPLY).outcomes == {"done": 1}
    assert enrolled(stage.portal, pair) == []


def test_a_stale_warehouse_enrolls_nobody_twice(org: Org, stage: Stage, ready: Settings, free: list[Row]) -> None:
    now, formerly = free[:2]
    stage.portal.enroll(now["learner"], now["course"])
    past = stage.portal.enroll(formerly["learner"], formerly["course"], {"isActive": False})
    assign_in(org, now, formerly)
    report = run_assign(ready, APPLY)
    assert (report.outcomes, outcome(report)) == ({"enroll": 2}, (0, 2, 0, 0))
    assert posts(stage) == []
    assert [row["id"] for row in enrolled(stage.portal, formerly)] == [past]


@pytest.mark.parametrize("keeps", [True, False])
def test_start_and_due_date_go_along(
    org: Org, stage: Stage, ready: Settings, free: list[Row], monkeypatch: pytest.MonkeyPatch, keeps: bool
) -> None:
    """Absorb's body has both fields, and its list of what can be set has neither: either world is told as it is."""
    monkeypatch.setattr(console.out, "width", 200)
    stage.portal.keeps_dates = keeps
    dated, due, plain = assign_in(org, *free[:3])
    org.set_values(OBJECT, dated, StartDate="2026-03-01T08:30:00.000+0000", DueDate="2026-04-30T00:00:00.000+0000")
    org.set_values(OBJECT, due, DueDate="2026-05-31T12:00:00.000+0000")
    shown = run_assign(ready).samples
    assert {row["assignment_id"] for row in shown if row["due_at"]} == {dated, due}
    told = CliRunner().invoke(app, ["assign", "--apply"]).stdout
    assert ("did not keep the start or due date of 2" in told) is not keeps
    found = [enrolled(stage.portal, pair) for pair in free[:3]]
    assert [len(rows) for rows in found] == [1, 1, 1]
    if keeps:
        assert (found[0][0]["accessDate"], found[0][0]["dateDue"]) == ("2026-03-01T08:30:00Z", "2026-04-30T00:00:00Z")
        assert (found[1][0]["accessDate"], found[1][0]["dateDue"]) == (None, "2026-05-31T12:00:00Z")
    assert found[2][0]["dateDue"] is None
    rows = query(Warehouse.of(ready), "SELECT assignment_id, dates_kept FROM ops.assignments")
    assert dict(rows) == {dated: keeps, due: keeps, plain: None}


def test_a_portal_that_takes_no_dates_enrolls_without_them(
    org: Org, stage: Stage, ready: Settings, free: list[Row]
) -> None:
    (one,) = assign_in(org, free[0])
    org.set_values(OBJECT, one, DueDate="2026-05-31T12:00:00.000+0000")
    stage.script = on_post(reply(405, SEMANTIC))
    report = run_assign(ready, APPLY)
    assert (outcome(report), report.dates) == ((1, 0, 0, 0), {"dropped": 1})
    assert len(enrolled(stage.portal, free[0])) == 1


def test_a_query_of_ones_own_may_give_absorbs_ids(
    org: Org, stage: Stage, ready: Settings, free: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = free[0]
    with Warehouse.of(ready).transaction() as connection:  # nothing is matched: the ids alone must do
        connection.execute("DELETE FROM salesforce.item_matches; DELETE FROM salesforce.learner_matches")
    made = org.insert("LMS_Course__c", [{"Name": "Ours", "Absorb_Course_Id__c": pair["course"].upper()}])
    org.set_values("User", pair["person"], FederationIdentifier=pair["learner"])
    wanted = {"Absorb_Enrollment_Id__c": "ours", "Learner_User__c": pair["person"], "LMS_Course__c": made[0]["id"]}
    assert org.insert("LMS_Enrollment__c", [wanted])[0]["success"]
    fields = "Learner_User__r.FederationIdentifier", "LMS_Course__r.Absorb_Course_Id__c"
    monkeypatch.setenv(f"{PREFIX}QUERY", f"SELECT Id, {', '.join(fields)} FROM LMS_Enrollment__c")
    monkeypatch.setenv(f"{PREFIX}LEARNER_FIELD", fields[0])
    monkeypatch.setenv(f"{PREFIX}COURSE_FIELD", fields[1])
    report = run_assign(load_settings(), APPLY)
    assert (report.outcomes, outcome(report)) == ({"enroll": 1}, (1, 0, 0, 0))
    assert len(enrolled(stage.portal, pair)) == 1


def test_a_limit_leaves_the_rest_due(org: Org, stage: Stage, ready: Settings, free: list[Row]) -> None:
    assign_in(org, *free[:3])
    first = run_assign(ready, AssignOptions(apply=True, limit=2))
    assert (outcome(first), first.left_out, first.complete) == ((2, 0, 0, 0), 1, False)
    second = run_assign(ready, AssignOptions(apply=True, limit=2))
    assert (outcome(second), second.left_out, second.complete) == ((1, 0, 0, 0), 0, True)


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_what_absorb_refuses_is_held_until_somebody_asks_for_another_try(
    org: Org, stage: Stage, ready: Settings, free: list[Row]
) -> None:
    refused, fine = assign_in(org, *free[:2])
    stage.script = on_post(reply(422, SEMANTIC))
    report = run_assign(ready, APPLY)
    assert (outcome(report), report.errors, report.complete) == ((1, 0, 1, 0), {"422": 1}, False)
    assert report.failures[0]["assignment_id"] == refused
    assert "semantic errors" in report.failures[0]["error_text"]
    assert {key: state for key, (state, _, _) in ledger(ready).items()} == {refused: "rejected", fine: "enrolled"}
    stage.calls.clear()
    held = run_assign(ready, APPLY)
    assert (held.outcomes, stage.calls, held.complete) == ({"enrolled": 1, "held": 1}, [], False)
    (sample,) = [sample for sample in held.samples if sample["outcome"] == "held"]
    assert sample["error_code"] == "422"
    tried = run_assign(ready, AssignOptions(apply=True, retry=True))
    assert (outcome(tried), tried.complete, ledger(ready)[refused]) == ((1, 0, 0, 0), True, ("enrolled", None, 2))


@pytest.mark.parametrize(("body", "named"), [(ROLE_REFUSED, "may view and enroll"), (KEY_REFUSED, "ABSORB__API_KEY")])
def test_a_refusal_of_role_or_key_stops_with_one_message(
    org: Org, stage: Stage, ready: Settings, free: list[Row], body: str, named: str
) -> None:
    ids = assign_in(org, *free[:3])
    stage.script = on_post(*[reply(403, body)] * 3)
    with pytest.raises(PermissionDeniedError) as caught:
        run_assign(ready, APPLY)
    assert named in str(caught.value)
    assert len(posts(stage)) == 1
    assert ledger(ready) == {ids[0]: ("deferred", "403", 1)}
    stage.script = quiet
    assert outcome(run_assign(ready, APPLY)) == (3, 0, 0, 0)


def test_it_enrolls_nobody_unless_turned_on(
    org: Org, stage: Stage, ready: Settings, free: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    assign_in(org, free[0])
    before = contents(ready)
    monkeypatch.delenv(f"{PREFIX}ENABLED")
    with pytest.raises(SettingsError, match=f"{PREFIX}ENABLED is not true"):
        run_assign(load_settings(), APPLY)
    assert (stage.calls, contents(ready)) == ([], before)


def test_it_does_not_log_in_beside_a_pull(org: Org, ready: Settings, free: list[Row]) -> None:
    assign_in(org, free[0])
    with pull_lock(ready, "the-pull"):
        assert run_assign(ready).outcomes == {"enroll": 1}, "a dry run asks the portal nothing"
        with pytest.raises(WarehouseLockedError, match="the-pull"):
            run_assign(ready, APPLY)


def test_an_org_without_the_object_is_one_clear_message(org: Org, ready: Settings) -> None:
    org.remove_object(OBJECT)
    with pytest.raises(SettingsError) as caught:
        run_assign(ready)
    assert f"{PREFIX}QUERY" in caught.value.message
    assert "Enablement" in caught.value.remedy


@pytest.mark.parametrize(
    "text", [
        f"SELECT Id, AssigneeId, LearningItemId, Nonsense__c FROM {OBJECT}",
        f"SELECT Id, AssigneeId, LearningItemId FROM {OBJECT} WHERE",
    ],
)  # fmt: skip
def test_a_query_that_the_org_refuses_names_its_variable(
    ready: Settings, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(f"{PREFIX}QUERY", text)
    with pytest.raises(SettingsError, match=f"The org refuses {PREFIX}QUERY"):
        run_assign(load_settings())


# -- answers that are not heard ---------------------------------------------------------------------------------------


def test_an_answer_lost_on_its_way_is_asked_for(org: Org, stage: Stage, ready: Settings, free: list[Row]) -> None:
    (key,) = assign_in(org, free[0])
    stage.script = on_post(truncated)
    report = run_assign(ready, APPLY)
    assert (outcome(report), report.complete) == ((1, 0, 0, 0), True)
    assert len(enrolled(stage.portal, free[0])) == 1
    assert ledger(ready)[key] == ("enrolled", None, 1)


@pytest.mark.parametrize("settled", ["by asking the portal", "by a pull"])
def test_an_outcome_that_stays_unknown_is_put_off_and_found_later(
    org: Org, stage: Stage, ready: Settings, free: list[Row], settled: str
) -> None:
    (key,) = assign_in(org, free[0])

    def script(call: Call) -> Fault | None:
        if call.method == "POST" and call.kind != "login":
            stage.script = lambda after: reset if after.method == "GET" else None
            return truncated
        return None

    stage.script = script
    report = run_assign(ready, APPLY)
    assert (outcome(report), report.complete) == ((0, 0, 0, 1), False)
    assert ledger(ready)[key] == ("deferred", "Unreachable", 1)
    stage.script = quiet
    if settled == "by a pull":
        run_pull(ready)
    stage.calls.clear()
    again = run_assign(ready, APPLY)
    assert again.already == (settled == "by asking the portal")
    assert ledger(ready)[key][:2] == ("enrolled", None)
    assert posts(stage) == []
    assert len(enrolled(stage.portal, free[0])) == 1


def test_an_outage_ends_the_run_soon_and_costs_nothing(
    org: Org, stage: Stage, ready: Settings, free: list[Row]
) -> None:
    assign_in(org, *free[:5])
    stage.script = on_post(*[reply(503)] * 9)
    with pytest.raises(ServerFaultError):
        run_assign(ready, APPLY)
    assert len(posts(stage)) == 3
    assert {state for state, _, _ in ledger(ready).values()} == {"deferred"}
    stage.script = quiet
    stage.calls.clear()
    assert outcome(run_assign(ready, APPLY)) == (5, 0, 0, 0)
    asked = [call.path.split("/")[2] for call in posts(stage)]
    assert asked == [pair["learner"] for pair in (*free[3:5], *free[:3])], "those not tried yet come first"
    assert all(len(enrolled(stage.portal, pair)) == 1 for pair in free[:5])


@pytest.mark.lets_go
def test_a_kill_between_the_call_and_the_ledger_enrolls_nobody_twice(
    org: Org, stage: Stage, ready: Settings, free: list[Row]
) -> None:
    first, second, third = assign_in(org, *free[:3])
    running: list[subprocess.Popen[str]] = []

    async def kill(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """The portal stores the enrollment; whoever asked does not live to hear of it."""

        async def unheard(_message: Message) -> None:
            return None

        await app(scope, receive, unheard)
        running[0].send_signal(signal.SIGKILL)
        running[0].wait(timeout=20)

    def script(call: Call) -> Fault | None:
        return kill if call.method == "POST" and len(posts(stage)) == 2 else None

    stage.script = script
    running.append(
        subprocess.Popen(
            [sys.executable, "-m", "connector.cli", "assign", "--apply"], stderr=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(REPO)},
        )
    )  # fmt: skip
    _, complaint = running[0].communicate(timeout=60)
    assert running[0].returncode == -signal.SIGKILL, complaint
    assert {key: state for key, (state, _, _) in ledger(ready).items()} == {first: "enrolled", second: "sending"}

    stage.script = quiet
    report = run_assign(ready, APPLY)
    assert (report.outcomes, outcome(report)) == ({"enrolled": 1, "enroll": 2}, (1, 1, 0, 0))
    assert {key: state for key, (state, _, _) in ledger(ready).items()} == dict.fromkeys(
        (first, second, third), "enrolled"
    )
    assert [len(enrolled(stage.portal, pair)) for pair in free[:3]] == [1, 1, 1]


# -- around it --------------------------------------------------------------------------------------------------------


def test_the_command_says_what_it_would_do_and_did(
    org: Org, stage: Stage, ready: Settings, free: list[Row], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.out, "width", 200)
    ids = assign_in(org, *free[:2])
    runner = CliRunner()
    shown = runner.invoke(app, ["assign"])
    assert shown.exit_code == 0
    assert "dry run: nothing was written" in shown.stdout
    assert ids[0] in shown.stdout
    some = runner.invoke(app, ["assign", "--apply", "--limit", "1", "--json"])
    assert some.exit_code == 1
    told = json.loads(some.stdout)
    assert (told["enrolled"], told["left_out"], told["complete"]) == (1, 1, False)
    rest = runner.invoke(app, ["assign", "--apply"])
    assert rest.exit_code == 0
    assert "Enrolled 1 in Absorb" in rest.stdout
    refused = runner.invoke(app, ["assign", "--apply"], env={f"{PREFIX}ENABLED": "false"})
    assert isinstance(refused.exception, LearnsyncError)
    assert refused.exception.exit_code == 2


def test_the_sandbox_lets_one_assign_and_not_change_an_assignment(sandbox: Sandbox, org: Org, free: list[Row]) -> None:
    session = org.session_of(org.user_id)
    with httpx.Client(base_url=sandbox.salesforce_url, headers={"Authorization": f"Bearer {session}"}) as client:
        path = f"/services/data/v67.0/sobjects/{OBJECT}"
        body = {"AssigneeId": free[0]["person"], "LearningItemId": free[0]["item"], "EnrollmentType": "Assigned"}
        made = client.post(path, json=body)
        assert made.status_code == 201, made.text
        one = f"{path}/{made.json()['id']}"
        assert client.get(one).json()["AssignmentStatus"] == "InProgress"
        assert client.post(path, json={"AssigneeId": free[0]["person"]}).status_code == 400
        assert client.post(path, json=body | {"AssignmentStatus": "Failed"}).status_code == 400
        assert client.patch(one, json={"EnrollmentType": "SelfEnrolled"}).status_code == 400
        assert client.delete(one).status_code == 204
