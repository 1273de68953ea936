"""The catalogue in the org's Learnings Graph: what is sent, what is not sent twice, and what becomes of refusals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import Row, query, records

import mappings
from connector import sync
from connector.absorb.pull.options import PullOptions
from connector.cli.commands.push import show_push
from connector.errors import IncompleteError, MappingError, PreflightError, ServerFaultError, SettingsError
from connector.progress import Progress, Silent
from connector.push import single_calls
from connector.push.reports import Pauses, PushOptions, PushReport, TargetReport
from connector.salesforce.learnings import target as engine
from connector.salesforce.learnings.api import LearningsGraph
from connector.salesforce.learnings.models import (
    Contributor,
    CreateLearning,
    FoundationItemRef,
    LearningInput,
    ManagedLearnings,
    Requirement,
    RequirementChange,
    UpdateLearning,
)
from connector.sandbox.portal.generator import generate
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.sync import run_pull
from connector.warehouse.database import Warehouse

REPO = Path(__file__).resolve().parents[2]
# The sample bodies of the vendor's page (docs/facts/salesforce.md section 6), with texts of our own.
SAMPLES = REPO / "tests" / "data" / "learnings_graph.json"
ONLY = PushOptions(targets=("learning",))
QUICK = Pauses(between_tries=0)
KEY = "Absorb_Course_Id__c"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A catalogue of six courses that do not name each other, and an org."""
    box = Sandbox(SandboxOptions(rate_limit=0))
    generate(box.portal, scale=12, courses=6)
    for row in box.portal.rows("courses"):
        box.portal.put_row("courses", row | {"prerequisiteCourseIds": [], "postEnrollmentCourseIds": []})
    with box:
        yield box


@pytest.fixture
def ready(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The target is on, and the catalogue is in the warehouse."""
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH", "true")
    run_pull(settings, PullOptions(("courses",)))
    return load_settings()


def run_push(settings: Settings, options: PushOptions | None = None, progress: Progress | None = None) -> PushReport:
    """A push whose pauses take no time."""
    return sync.run_push(settings, replace(options or PushOptions(), pauses=QUICK), progress)


def send(settings: Settings, **options: Any) -> TargetReport:
    return run_push(settings, PushOptions(targets=("learning",), **options)).targets["learning"]


def ids(sandbox: Sandbox) -> list[str]:
    return sorted(row["id"] for row in sandbox.portal.rows("courses"))


def change(sandbox: Sandbox, settings: Settings, course_id: str, **values: Any) -> None:
    """Edit a course in the portal and pull it."""
    row = next(row for row in sandbox.portal.rows("courses") if row["id"] == course_id)
    sandbox.portal.put_row("courses", row | values)
    run_pull(settings, PullOptions(("courses",), full=True))


def learnings(sandbox: Sandbox) -> dict[str, Row]:
    """The org's courses by the portal's ids; none may be there twice."""
    assert sandbox.org is not None
    found = sandbox.org.records("LearningCourse")
    assert len({row[KEY] for row in found}) == len(found), "a course twice"
    assert len(found) == len(sandbox.org.records("Learning"))
    return {row[KEY]: row for row in found}


def prerequisites(sandbox: Sandbox, kind: str = "prerequisites") -> set[tuple[str, str]]:
    """(course, required course) as the org has it."""
    assert sandbox.org is not None
    names = {row["LearningId"]: row[KEY] for row in sandbox.org.records("LearningCourse")}
    items = [row for row in sandbox.org.records("LearningFoundationItem") if row["Kind"] == kind]
    pairs = [(names[row["LearningId"]], names[row["RequiredLearningId"]]) for row in items]
    assert len(set(pairs)) == len(pairs), "a prerequisite twice"
    return set(pairs)


def ledger(settings: Settings, where: str = "true") -> list[Row]:
    statement = f"FROM salesforce.push_ledger WHERE target_object = 'Learning' AND {where} ORDER BY external_id"
    return records(Warehouse.of(settings), statement)


def calls(sandbox: Sandbox, method: str) -> int:
    assert sandbox.org is not None
    return sandbox.org.calls[f"{method} /connect/education/academic-operations/learnings"]


# -- the documents -----------------------------------------------------------------------------------------------------


def sample(method: str) -> dict[str, Any]:
    """The sample body of the page for POST or PATCH."""
    return dict(json.loads(SAMPLES.read_text("utf-8"))[method])


def test_every_field_of_the_page_has_a_field_of_a_model() -> None:
    models = (
        LearningInput, CreateLearning, UpdateLearning, Requirement, Contributor, RequirementChange, FoundationItemRef,
    )  # fmt: skip
    modelled = {field.alias for model in models for field in model.model_fields.values()} | {"learnings"}
    named = set(re.findall(r'"(\w+)":', json.dumps([sample("POST"), sample("PATCH")])))
    assert len(named) > 25
    assert named - modelled == set()


def test_the_samples_of_the_page_pass_through_the_models_unchanged() -> None:
    for method, model in (("POST", CreateLearning), ("PATCH", UpdateLearning)):
        for entry in sample(method)["learnings"]:
            assert model.model_validate(entry).body() == entry


def test_the_map_knows_the_fields_of_the_model_less_those_the_org_gives_out() -> None:
    programs = {"learningProgramId", "learningProgramCustomFields", "topLevelProgram"}
    given_out = {"learningId", "learningCourseId"}
    names = {field.alias for field in LearningInput.model_fields.values()}
    assert names - programs - given_out - {"learningCourseCustomFields"} == set(mappings.learnings.FIELDS)


@pytest.mark.parametrize("counter", ["successCount", "successeCount"])
@pytest.mark.parametrize("many", [True, False])
def test_both_spellings_of_the_answer_are_read(counter: str, many: bool) -> None:
    detail = {"success": True, "learningId": "0ty"}
    answer = ManagedLearnings.model_validate({counter: 1, "details": [detail] if many else detail})
    assert (answer.success_count, answer.details[0].learning_id) == (1, "0ty")


# -- round trip --------------------------------------------------------------------------------------------------------


def test_the_catalogue_is_in_the_org_and_a_second_push_sends_nothing(sandbox: Sandbox, ready: Settings) -> None:
    report = send(ready)
    assert (report.create, report.accepted, report.created, report.pending) == (6, 6, 6, 0)
    found = learnings(sandbox)
    for row in sandbox.portal.rows("courses"):
        kept = found[row["id"]]
        assert kept["Name"] == row["name"]
        assert kept["Description"] == row["description"].removeprefix("<p>").removesuffix("</p>")
        assert kept["CourseNumber"] == row["externalId"]
        assert kept["IsActive"] == (row["activeStatus"] == 0)
    rows = ledger(ready)
    assert {row["external_id"]: row["salesforce_id"] for row in rows} == {
        key: row["LearningId"] for key, row in found.items()
    }
    assert {(row["state"], row["attempts"]) for row in rows} == {("accepted", 1)}
    again = send(ready)
    assert (again.unchanged, again.sent) == (6, 0)
    assert (calls(sandbox, "POST"), calls(sandbox, "PATCH")) == (6, 0)


def test_a_changed_course_is_patched_and_an_emptied_field_is_cleared(sandbox: Sandbox, ready: Settings) -> None:
    send(ready)
    first, second, third = ids(sandbox)[:3]
    change(sandbox, ready, first, name="Another Name", description=None, externalId="N-1")
    change(sandbox, ready, second, activeStatus=1, expiryDate="2030-01-31T00:00:00")
    report = send(ready)
    assert (report.update, report.unchanged, report.accepted, report.created) == (2, 4, 2, 0)
    assert calls(sandbox, "PATCH") == 2
    found = learnings(sandbox)
    assert (found[first]["Name"], found[first]["Description"]) == ("Another Name", None)
    assert found[first]["CourseNumber"] == "N-1"
    assert (found[second]["IsActive"], found[second]["ActiveToDate"]) == (False, "2030-01-31T00:00:00.000+0000")
    assert found[third]["Name"]


def test_the_target_is_off_unless_it_is_asked_for(sandbox: Sandbox, settings: Settings) -> None:
    assert "learning" not in run_push(settings).targets
    with pytest.raises(SettingsError, match="LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH"):
        run_push(settings, ONLY)
    with pytest.raises(SettingsError, match="--target 'lerning'"):
        run_push(settings, PushOptions(targets=("lerning",)))
    assert calls(sandbox, "POST") == 0


def test_a_push_of_everything_includes_it_when_it_is_on(sandbox: Sandbox, ready: Settings) -> None:
    assert list(run_push(ready).targets) == ["lms_course", "lms_enrollment", "learning"]
    assert len(learnings(sandbox)) == 6


def test_a_dry_run_writes_nothing_and_shows_samples(
    sandbox: Sandbox, ready: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run_push(ready, PushOptions(targets=("learning",), dry_run=True))
    target = report.targets["learning"]
    assert (target.create, target.sent) == (6, 0)
    assert [entry["action"] for entry in target.samples] == ["create"] * 3
    assert target.samples[0]["payload"]["learning"]["type"] == "Learning Course"
    assert ledger(ready) == []
    assert learnings(sandbox) == {}
    show_push(report)
    assert "Learning would go one a call" in capsys.readouterr().out


def test_a_dry_run_shows_what_the_org_has_and_what_it_would_have(
    sandbox: Sandbox, ready: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, c, *_ = ids(sandbox)
    change(sandbox, ready, a, prerequisiteCourseIds=[b])
    send(ready)
    before = next(row for row in sandbox.portal.rows("courses") if row["id"] == a)
    change(
        sandbox, ready, a, name="Another Name", prerequisiteCourseIds=[c], postEnrollmentCourseIds=[b], activeStatus=1
    )
    made = {method: calls(sandbox, method) for method in ("POST", "PATCH")}
    report = run_push(ready, PushOptions(targets=("learning",), dry_run=True))
    samples = {entry["external_id"]: entry for entry in report.targets["learning"].samples}
    assert samples[a]["in_salesforce"]
    assert samples[a]["changes"] == [
        {"field": "name", "old": before["name"], "new": "Another Name"},
        {"field": "active", "old": before["activeStatus"] == 0, "new": False},
        {"field": "prerequisites", "old": b, "new": c},
    ]
    assert samples[b]["changes"] == [{"field": "recommended", "old": None, "new": a}]
    assert {method: calls(sandbox, method) for method in made} == made
    show_push(report)
    assert "Another Name" in capsys.readouterr().out
    stored = next(row for row in sandbox.org.table("LearningCourse").rows.values() if row[KEY] == b)
    sandbox.org.write_row("LearningCourse", stored, {"Name": "Changed by hand"})
    full = send(ready, dry_run=True, full=True, samples=10)
    hand = next(entry for entry in full.samples if entry["external_id"] == b)
    assert hand["changes"][0]["old"] == "Changed by hand"


def test_a_limit_leaves_the_rest_due(sandbox: Sandbox, ready: Settings) -> None:
    report = run_push(ready, PushOptions(targets=("learning",), limit=2))
    assert (report.targets["learning"].sent, report.complete, len(learnings(sandbox))) == (2, False, 2)
    assert send(ready).created == 4


# -- prerequisites -----------------------------------------------------------------------------------------------------


def test_prerequisites_come_first_whatever_the_order_of_ids(sandbox: Sandbox, ready: Settings) -> None:
    a, b, c, d, *_ = ids(sandbox)
    change(sandbox, ready, a, prerequisiteCourseIds=[b.upper(), c])
    change(sandbox, ready, b, prerequisiteCourseIds=[d])
    assert send(ready).accepted == 6
    assert prerequisites(sandbox) == {(a, b), (a, c), (b, d)}
    made = [row[KEY] for row in sandbox.org.records("LearningCourse")]  # in the order of their creation
    assert made.index(d) < made.index(b) < made.index(a)


def test_prerequisites_are_added_and_deleted_by_difference(sandbox: Sandbox, ready: Settings) -> None:
    a, b, c, *_ = ids(sandbox)
    change(sandbox, ready, a, prerequisiteCourseIds=[b])
    send(ready)
    change(sandbox, ready, a, prerequisiteCourseIds=[b, c])
    assert send(ready).update == 1
    assert prerequisites(sandbox) == {(a, b), (a, c)}
    change(sandbox, ready, a, prerequisiteCourseIds=[c])
    send(ready)
    assert prerequisites(sandbox) == {(a, c)}
    change(sandbox, ready, a, prerequisiteCourseIds=[])
    send(ready)
    assert prerequisites(sandbox) == set()


def test_a_prerequisite_that_somebody_made_in_the_org_stays(sandbox: Sandbox, ready: Settings) -> None:
    a, b, *_ = ids(sandbox)
    send(ready)
    owner = learnings(sandbox)[a]["LearningId"]
    theirs = sandbox.org.write_row("Learning", None, {"Name": "Made by hand"})
    sandbox.org.write_row("LearningCourse", None, {"Name": "Made by hand", "LearningId": theirs["Id"]})
    item = {"Kind": "prerequisites", "LearningId": owner, "RequiredLearningId": theirs["Id"]}
    sandbox.org.write_row("LearningFoundationItem", None, item | {"LearningAchievementId": "0u9000000000001AAA"})
    change(sandbox, ready, a, prerequisiteCourseIds=[b])
    send(ready)
    required = {row["RequiredLearningId"] for row in sandbox.org.records("LearningFoundationItem")}
    assert required == {theirs["Id"], learnings(sandbox)[b]["LearningId"]}


def test_a_cycle_is_reported_and_its_courses_go_without_it(
    sandbox: Sandbox, ready: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, c, d, e, f = ids(sandbox)
    change(sandbox, ready, a, prerequisiteCourseIds=[b, d])
    change(sandbox, ready, b, prerequisiteCourseIds=[c])
    change(sandbox, ready, c, prerequisiteCourseIds=[a])
    change(sandbox, ready, e, prerequisiteCourseIds=[e])
    change(sandbox, ready, f, prerequisiteCourseIds=[a, "00000000-0000-4000-8000-000000000000"])
    report = run_push(ready, ONLY)
    target = report.targets["learning"]
    assert target.accepted == 6
    assert prerequisites(sandbox) == {(a, d), (f, a)}
    assert any(all(course in note for course in (a, b, c)) for note in target.notes)
    assert any(e in note and a not in note for note in target.notes)
    assert any("does not have the course" in note for note in target.notes)
    show_push(report)
    assert "require each other" in capsys.readouterr().out
    assert send(ready).sent == 0


# -- recommendations ---------------------------------------------------------------------------------------------------


def test_a_course_is_recommended_for_those_it_enrolls_in(sandbox: Sandbox, ready: Settings) -> None:
    """Absorb enrolls who completes `a` in `b`: so `a` is the learning that comes before."""
    a, b, c, d, *_ = ids(sandbox)
    change(sandbox, ready, a, postEnrollmentCourseIds=[b.upper(), c])
    change(sandbox, ready, c, prerequisiteCourseIds=[a])  # required is more than recommended
    assert send(ready).accepted == 6
    assert prerequisites(sandbox, "recommended") == {(b, a)}
    assert prerequisites(sandbox) == {(c, a)}
    assert send(ready).sent == 0
    change(sandbox, ready, a, postEnrollmentCourseIds=[d])
    assert send(ready).update == 2
    assert prerequisites(sandbox, "recommended") == {(d, a)}


def test_what_a_person_recommends_in_the_org_stays(sandbox: Sandbox, ready: Settings) -> None:
    a, b, c, *_ = ids(sandbox)
    change(sandbox, ready, a, postEnrollmentCourseIds=[b])
    send(ready)
    found = learnings(sandbox)
    hand = {"Kind": "recommended", "LearningId": found[b]["LearningId"], "RequiredLearningId": found[c]["LearningId"]}
    sandbox.org.write_row("LearningFoundationItem", None, hand | {"LearningAchievementId": "0u9000000000001AAA"})
    change(sandbox, ready, a, postEnrollmentCourseIds=[])
    assert send(ready).update == 1
    assert prerequisites(sandbox, "recommended") == {(b, c)}


def test_courses_that_follow_each_other_go_without_it_and_keep_their_prerequisites(
    sandbox: Sandbox, ready: Settings
) -> None:
    a, b, c, d, *_ = ids(sandbox)
    change(sandbox, ready, a, postEnrollmentCourseIds=[b], prerequisiteCourseIds=[b])
    change(sandbox, ready, c, postEnrollmentCourseIds=[d, "00000000-0000-4000-8000-000000000000"])
    report = send(ready)
    assert report.accepted == 6
    assert prerequisites(sandbox) == {(a, b)}
    assert prerequisites(sandbox, "recommended") == {(d, c)}
    assert any("follow each other" in note and a in note and b in note for note in report.notes)
    assert any("1 recommendation(s) left out" in note for note in report.notes)


def test_a_course_waits_for_a_prerequisite_that_was_refused(sandbox: Sandbox, ready: Settings) -> None:
    a, b, *_ = ids(sandbox)
    change(sandbox, ready, a, prerequisiteCourseIds=[b])
    sandbox.org.fail_next("FIELD_CUSTOM_VALIDATION_EXCEPTION")  # b is the first to be sent
    report = send(ready)
    assert (report.accepted, report.rejected, report.deferred) == (4, 1, 1)
    assert report.errors == {"FIELD_CUSTOM_VALIDATION_EXCEPTION": 1, "PREREQUISITE_MISSING": 1}
    waiting = ledger(ready, "state = 'deferred'")
    assert [(row["external_id"], row["error_code"]) for row in waiting] == [(a, "PREREQUISITE_MISSING")]
    assert b in waiting[0]["error_text"]
    change(sandbox, ready, b, name="Now it fits")
    assert send(ready).accepted == 2
    assert prerequisites(sandbox) == {(a, b)}


def test_a_course_that_left_absorb_is_made_inactive_and_never_newly_made(sandbox: Sandbox, ready: Settings) -> None:
    first, second, *_ = ids(sandbox)
    run_push(ready, PushOptions(targets=("learning",), limit=1))
    statement = "UPDATE absorb.courses SET _removed_at = now() WHERE CAST(id AS VARCHAR) IN (?, ?)"
    with Warehouse.of(ready).connect() as connection:
        connection.execute(statement, [first, second])
    report = send(ready)
    assert (report.update, report.create, report.blocked) == (1, 4, {"gone from Absorb": 1})
    found = learnings(sandbox)
    assert (found[first]["IsActive"], second in found) == (False, False)


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400])
def test_a_refusal_is_in_the_ledger_with_code_and_text_and_is_held(
    sandbox: Sandbox, ready: Settings, status: int
) -> None:
    sandbox.org.faults.learnings_status = status
    sandbox.org.fail_next("FIELD_CUSTOM_VALIDATION_EXCEPTION")
    report = send(ready)
    assert (report.rejected, report.accepted) == (1, 5)
    refused = ledger(ready, "state = 'rejected'")
    assert [row["error_code"] for row in refused] == ["FIELD_CUSTOM_VALIDATION_EXCEPTION"]
    assert "injected fault" in refused[0]["error_text"]
    again = send(ready)
    assert (again.held, again.sent, again.pending) == (1, 0, 1)


def test_a_refused_request_is_the_refusal_of_its_learning(
    sandbox: Sandbox, ready: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    text = (REPO / "mappings" / "learnings_fields.csv").read_text("utf-8")
    (folder / "learnings_fields.csv").write_text(text + "durationUnit,Fortnights,constant\n", "utf-8")
    monkeypatch.setenv("LEARNSYNC_MAPPING__DIR", str(folder))
    report = send(load_settings())
    assert (report.rejected, report.errors) == (6, {"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": 6})
    assert {row["error_text"].partition(":")[0] for row in ledger(ready)} == {"DurationUnit"}


def test_a_lock_is_tried_again_within_the_push(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.fail_next("UNABLE_TO_LOCK_ROW", "UNABLE_TO_LOCK_ROW")
    report = send(ready)
    assert (report.accepted, report.created, report.errors) == (6, 6, {})
    assert calls(sandbox, "POST") == 8


def test_a_code_that_needs_an_admin_ends_the_push(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.fail_next("STORAGE_LIMIT_EXCEEDED")
    with pytest.raises(IncompleteError, match="STORAGE_LIMIT_EXCEEDED"):
        send(ready)
    assert [row["error_code"] for row in ledger(ready, "state = 'deferred'")] == ["STORAGE_LIMIT_EXCEEDED"]
    assert send(ready).accepted == 6


# -- answers that are lost ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["lost", "503-after", "503", "429"])
def test_an_answer_that_is_lost_makes_no_second_learning(sandbox: Sandbox, ready: Settings, fault: str) -> None:
    assert sandbox.learning_answers is not None
    sandbox.learning_answers.queue([fault])
    report = send(ready)
    assert sandbox.learning_answers.met == 1
    assert (report.accepted, report.created, report.pending) == (6, 6, 0)
    assert len(learnings(sandbox)) == 6
    assert send(ready).sent == 0


@pytest.mark.parametrize("fault", ["lost", "503-after", "503", "429"])
def test_an_update_whose_answer_is_lost_adds_no_second_prerequisite(
    sandbox: Sandbox, ready: Settings, fault: str
) -> None:
    a, b, c, *_ = ids(sandbox)
    change(sandbox, ready, a, prerequisiteCourseIds=[b])
    send(ready)
    change(sandbox, ready, a, prerequisiteCourseIds=[c], name="Renamed")
    assert sandbox.learning_answers is not None
    sandbox.learning_answers.queue([fault])
    report = send(ready)
    assert sandbox.learning_answers.met == 1
    assert (report.accepted, report.created, report.pending) == (1, 0, 0)
    assert prerequisites(sandbox) == {(a, c)}
    assert learnings(sandbox)[a]["Name"] == "Renamed"


def test_a_learning_that_gets_no_answer_is_deferred_and_found_by_the_next_push(
    sandbox: Sandbox, ready: Settings
) -> None:
    assert sandbox.learning_answers is not None
    sandbox.learning_answers.queue(["503", "503", "503"])
    report = send(ready)
    assert (report.accepted, report.deferred, report.errors) == (5, 1, {"NO_ANSWER": 1})
    assert send(ready).created == 1
    assert len(learnings(sandbox)) == 6


def test_an_org_that_answers_nothing_ends_the_push_soon(sandbox: Sandbox, ready: Settings) -> None:
    assert sandbox.learning_answers is not None
    sandbox.learning_answers.queue(["503"] * 100)
    with pytest.raises(ServerFaultError):
        send(ready)
    assert sandbox.learning_answers.met == single_calls.ROUNDS * engine.LOST_IN_A_ROW
    states = [row["state"] for row in ledger(ready)]
    assert sorted(states) == ["deferred"] * 3 + ["sent"] * 3


def test_a_new_warehouse_finds_the_learnings_of_the_old_one(
    sandbox: Sandbox, ready: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(ready)
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "new" / "warehouse.duckdb"))
    new = load_settings()
    run_pull(new, PullOptions(("courses",)))
    report = send(new)
    assert (report.create, report.accepted, report.created) == (6, 6, 0)
    assert len(learnings(sandbox)) == 6


def test_a_learning_that_lands_after_it_was_looked_for_is_kept_apart_by_its_unique_key(
    sandbox: Sandbox, ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(ready)
    query(Warehouse.of(ready), "DELETE FROM salesforce.push_ledger")
    find, looks = LearningsGraph.find, []

    async def blind_at_first(self: LearningsGraph, course_id: str) -> Any:
        looks.append(course_id)
        return await find(self, course_id) if looks.count(course_id) > 1 else None

    monkeypatch.setattr(LearningsGraph, "find", blind_at_first)
    report = send(ready)
    assert (report.accepted, report.pending) == (6, 0)
    assert calls(sandbox, "POST") == 12
    assert len(learnings(sandbox)) == 6


def test_a_learning_that_was_deleted_in_the_org_is_made_again_when_its_course_changes(
    sandbox: Sandbox, ready: Settings
) -> None:
    send(ready)
    course = ids(sandbox)[0]
    gone = learnings(sandbox)[course]
    sandbox.org.delete("LearningCourse", [gone["Id"]])
    sandbox.org.delete("Learning", [gone["LearningId"]])
    change(sandbox, ready, course, name="Back again")
    assert send(ready).created == 1
    assert learnings(sandbox)[course]["Name"] == "Back again"
    assert send(ready).sent == 0


# Dies with the learning made and its outcome not written: SIGKILL from outside, at a moment the push announces.
DIES = """
import time
from connector.push.ledger import Ledger
from connector.salesforce.learnings import target as engine
from connector.push.reports import PushOptions
from connector.settings import load_settings
from connector.sync import run_push

def stalls(self, rows):
    print("made", flush=True)
    time.sleep(60)

Ledger.put = stalls
engine.BATCH = 3
run_push(load_settings(), PushOptions(targets=("learning",)))
"""


@pytest.mark.lets_go
def test_a_push_killed_between_post_and_ledger_makes_no_learning_twice(sandbox: Sandbox, ready: Settings) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", DIES], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(REPO)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "made\n", process.communicate()[1]
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=20) == -signal.SIGKILL
    process.communicate()
    assert len(learnings(sandbox)) == 3
    assert [(row["state"], row["salesforce_id"]) for row in ledger(ready)] == [("sent", None)] * 3
    report = send(ready)
    assert (report.accepted, report.created) == (6, 3)
    assert len(learnings(sandbox)) == 6
    assert calls(sandbox, "POST") == 6
    assert {row["state"] for row in ledger(ready)} == {"accepted"}


# -- the org and the map -----------------------------------------------------------------------------------------------


def test_an_org_without_education_cloud_is_named_with_the_switch(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.remove_object("LearningCourse")
    with pytest.raises(PreflightError, match="LearningCourse") as refused:
        send(ready)
    assert "LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH=false" in refused.value.remedy


def test_the_key_must_be_there_and_unique(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.schema("LearningCourse").fields[KEY.lower()].unique = False
    with pytest.raises(PreflightError, match=f"{KEY} is not marked as Unique"):
        send(ready)
    sandbox.org.schema("LearningCourse").fields[KEY.lower()].createable = False
    with pytest.raises(PreflightError, match=f"{KEY} is not createable"):
        send(ready)
    sandbox.org.remove_field("LearningCourse", KEY)
    with pytest.raises(PreflightError, match=f"{KEY} does not exist"):
        send(ready)


def test_an_api_version_before_the_resource_is_named(ready: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__API_VERSION", "61.0")
    with pytest.raises(SettingsError, match=r"LEARNSYNC_SALESFORCE__API_VERSION = 61\.0"):
        send(load_settings())


def test_a_map_that_names_a_column_nobody_has_is_one_message(
    ready: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    text = (REPO / "mappings" / "learnings_fields.csv").read_text("utf-8")
    (folder / "learnings_fields.csv").write_text(text + "cipCode,no_such_column,text\n", "utf-8")
    monkeypatch.setenv("LEARNSYNC_MAPPING__DIR", str(folder))
    with pytest.raises(MappingError, match=r"learnings_fields\.csv .*no_such_column"):
        send(load_settings())


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("learningId,course_id,text", "'learningId' must be"),
        ("duration,learner_time,hours", "kind must be one of"),
        ("provider,001 LT,text", "source must be a column name"),
        ("learningCourseCustomFields.Other__c,course_id,key", "exactly one row of kind key"),
        ("name,name,text", "occurs twice"),
    ],
)
def test_a_wrong_line_of_the_map_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    text = (REPO / "mappings" / "learnings_fields.csv").read_text("utf-8")
    (tmp_path / "learnings_fields.csv").write_text(f"{text}{line}\n", "utf-8")
    with pytest.raises(mappings.MappingError, match=complaint):
        mappings.load_mapping(tmp_path)


@pytest.mark.parametrize("missing", ["type,Learning Course,constant", "name,name,text"])
def test_what_no_map_may_lack(tmp_path: Path, missing: str) -> None:
    text = (REPO / "mappings" / "learnings_fields.csv").read_text("utf-8")
    (tmp_path / "learnings_fields.csv").write_text(text.replace(missing + "\n", ""), "utf-8")
    with pytest.raises(mappings.MappingError, match=missing.partition(",")[0]):
        mappings.load_mapping(tmp_path)


def test_the_intent_is_in_the_ledger_before_the_call(sandbox: Sandbox, ready: Settings) -> None:
    seen: list[Any] = []

    class Looks(Silent):
        def advance(self, amount: int = 1) -> None:
            seen.append(query(Warehouse.of(ready), "SELECT DISTINCT state FROM salesforce.push_ledger"))

    run_push(ready, ONLY, Looks())
    assert seen[0] == [("sent",)]
