"""An org that lacks something is told so before anything is sent: object, field, remedy, all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import query

import mappings
from connector.absorb.pull.options import PullOptions
from connector.cli.commands.doctor import examine
from connector.errors import PreflightError
from connector.push.reports import PushOptions
from connector.sandbox.org import Org
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.sync import run_build, run_pull, run_push
from connector.warehouse.database import Warehouse

COURSE, ENROLLMENT = "LMS_Course__c", "LMS_Enrollment__c"


def change(org: Org, object_name: str, field: str, **values: object) -> None:
    """Alter a field's metadata, as an administrator may."""
    for name, value in values.items():
        setattr(org.schema(object_name).fields[field.lower()], name, value)


def set_flag(org: Org, object_name: str, **values: bool) -> None:
    for name, value in values.items():
        setattr(org.schema(object_name), name, value)


def lose_external_id(org: Org) -> None:
    change(org, COURSE, "Absorb_Course_Id__c", external_id=False, id_lookup=False)


# what the administrator did -> words that the message must have
PROBLEMS: dict[str, tuple[Callable[[Org], None], tuple[str, ...]]] = {
    "no object": (lambda org: org.remove_object(ENROLLMENT), (ENROLLMENT, "does not exist", "cannot see")),
    "no parent object": (lambda org: org.remove_object(COURSE), (COURSE, "does not exist", "cannot see")),
    "no field": (
        lambda org: org.remove_field(ENROLLMENT, "Score__c"),
        (f"{ENROLLMENT}.Score__c", "does not exist", "cannot see"),
    ),
    "no lookup": (lambda org: org.remove_field(ENROLLMENT, "LMS_Course__c"), (f"{ENROLLMENT}.LMS_Course__r",)),
    "no key": (
        lambda org: org.remove_field(ENROLLMENT, "Absorb_Enrollment_Id__c"), (f"{ENROLLMENT}.Absorb_Enrollment_Id__c",),
    ),
    "key not external": (
        lambda org: change(org, ENROLLMENT, "Absorb_Enrollment_Id__c", external_id=False, id_lookup=False),
        (f"{ENROLLMENT}.Absorb_Enrollment_Id__c", "External ID"),
    ),
    "parent's key not external": (lose_external_id, (f"{COURSE}.Absorb_Course_Id__c", "External ID")),
    "wrong type": (
        lambda org: change(org, ENROLLMENT, "Score__c", type="string", length=40),
        (f"{ENROLLMENT}.Score__c", "string", "number"),
    ),
    "date in place of date and time": (
        lambda org: change(org, ENROLLMENT, "Due_Date__c", type="date"), (f"{ENROLLMENT}.Due_Date__c", "type date"),
    ),
    "read-only field": (
        lambda org: change(org, ENROLLMENT, "Credits__c", createable=False, updateable=False),
        (f"{ENROLLMENT}.Credits__c", "createable", "updateable"),
    ),
    "read-only object": (
        lambda org: set_flag(org, ENROLLMENT, createable=False, updateable=False),
        (ENROLLMENT, "createable", "updateable"),
    ),
    "progress value inactive": (
        lambda org: org.deactivate_picklist_value(ENROLLMENT, "Progress_Status__c", "CompletedLate"),
        (f"{ENROLLMENT}.Progress_Status__c", "CompletedLate"),
    ),
    "absorb value inactive": (
        lambda org: org.deactivate_picklist_value(ENROLLMENT, "Absorb_Status__c", "PendingProctor"),
        (f"{ENROLLMENT}.Absorb_Status__c", "PendingProctor"),
    ),
    "too short": (
        lambda org: change(org, ENROLLMENT, "Learning_Record_Id__c", length=20),
        (f"{ENROLLMENT}.Learning_Record_Id__c", "20", "30"),
    ),
}  # fmt: skip


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Few enrollments: what the org lacks is asked before any is looked at."""
    with Sandbox(SandboxOptions(scale=40, courses=8, rate_limit=0)) as running:
        yield running


@pytest.fixture
def ready(settings: Settings) -> Settings:
    """Eight courses wait to be pushed."""
    run_pull(settings, PullOptions(("courses",)))
    return settings


def refusal(settings: Settings) -> PreflightError:
    with pytest.raises(PreflightError) as caught:
        run_push(settings)
    return caught.value


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_names_object_field_and_remedy_and_nothing_is_sent(
    sandbox: Sandbox, ready: Settings, name: str
) -> None:
    spoil, words = PROBLEMS[name]
    spoil(sandbox.org)
    before = sandbox.org.write_counts
    failure = refusal(ready)
    assert failure.exit_code == 2
    for word in words:
        assert word in failure.message
    assert "mappings/salesforce" in failure.remedy
    assert "sf project deploy start" in failure.remedy
    assert "permission set" in failure.remedy
    assert "nothing was sent" in failure.message
    assert sandbox.org.write_counts == before == {"objects": {}, "collection_calls": 0}
    assert query(Warehouse.of(ready), "FROM salesforce.push_ledger") == []


def test_all_problems_of_an_object_are_named_at_once(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.remove_field(ENROLLMENT, "Score__c")
    sandbox.org.remove_field(ENROLLMENT, "Is_Current__c")
    sandbox.org.deactivate_picklist_value(ENROLLMENT, "Progress_Status__c", "Behind")
    sandbox.org.deactivate_picklist_value(ENROLLMENT, "Progress_Status__c", "Overdue")
    failure = refusal(ready)
    assert len(failure.problems) == 3
    for word in ("Score__c", "Is_Current__c", "Behind", "Overdue"):
        assert word in failure.message


def test_problems_of_both_objects_are_named_at_once(sandbox: Sandbox, ready: Settings) -> None:
    change(sandbox.org, COURSE, "Absorb_Course_Id__c", length=10)
    sandbox.org.remove_field(ENROLLMENT, "Score__c")
    failure = refusal(ready)
    assert f"{COURSE}.Absorb_Course_Id__c" in failure.message
    assert f"{ENROLLMENT}.Score__c" in failure.message


def test_a_dry_run_meets_the_same_refusal(sandbox: Sandbox, ready: Settings) -> None:
    sandbox.org.remove_field(ENROLLMENT, "Score__c")
    with pytest.raises(PreflightError, match="Score__c"):
        run_push(ready, PushOptions(dry_run=True))


@pytest.mark.parametrize("way", ["missing", "read-only", "other type"])
def test_optional_fields_that_cannot_be_used_are_left_out_and_the_push_works(
    sandbox: Sandbox, ready: Settings, way: str
) -> None:
    if way == "missing":
        sandbox.org.remove_field(COURSE, "Vendor__c")
        sandbox.org.remove_field(COURSE, "Course_Type__c")
    elif way == "read-only":
        change(sandbox.org, COURSE, "Vendor__c", createable=False, updateable=False)
    else:
        change(sandbox.org, COURSE, "Vendor__c", type="double")
    report = run_push(ready)
    assert report.complete
    assert report.targets["lms_course"].created == 8
    assert all(row["External_Reference__c"] or row["Full_Name__c"] for row in sandbox.org.records(COURSE))
    assert all(row.get("Vendor__c") is None for row in sandbox.org.records(COURSE))


def test_metadata_older_than_the_code_is_named_with_the_deploy_command(sandbox: Sandbox, ready: Settings) -> None:
    """As an org has it that was set up by the version before: its push goes on, without the new fields."""
    assert [outcome.notes for outcome in run_push(ready).targets.values()] == [[], []]
    sandbox.org.remove_field(ENROLLMENT, "Progress_Rule__c")
    sandbox.org.remove_field(ENROLLMENT, "Expired__c")
    report = run_push(ready)
    assert report.complete
    assert report.targets["lms_course"].notes == []
    (note,) = report.targets["lms_enrollment"].notes
    for word in ("older", "Expired__c, Progress_Rule__c", "sf project deploy start --source-dir force-app"):
        assert word in note
    (finding,) = [found for found in examine() if found.check == f"salesforce {ENROLLMENT}"]
    assert (finding.verdict, "Expired__c, Progress_Rule__c" in finding.text) == ("warn", True)
    assert "sf project deploy start" in finding.remedy


def test_a_shipped_field_that_a_map_of_ones_own_leaves_out_is_not_missed(
    sandbox: Sandbox, ready: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    text = (mappings.PACKAGED / "salesforce_fields.csv").read_text("utf-8")
    kept = [line for line in text.splitlines() if "Vendor__c" not in line]
    (folder / "salesforce_fields.csv").write_text("\n".join(kept) + "\n", "utf-8")
    monkeypatch.setenv("LEARNSYNC_MAPPING__DIR", str(folder))
    sandbox.org.remove_field(COURSE, "Vendor__c")
    assert run_push(load_settings()).targets["lms_course"].notes == []


def test_an_optional_field_that_appears_later_is_filled_then(sandbox: Sandbox, ready: Settings) -> None:
    change(sandbox.org, COURSE, "External_Reference__c", createable=False, updateable=False)
    run_push(ready)
    assert {row["External_Reference__c"] for row in sandbox.org.records(COURSE)} == {None}
    change(sandbox.org, COURSE, "External_Reference__c", createable=True, updateable=True)
    assert run_push(ready).targets["lms_course"].update == 8
    assert {row["External_Reference__c"] for row in sandbox.org.records(COURSE)} != {None}


def test_a_field_map_that_asks_for_an_unknown_field_is_refused_by_its_name(
    sandbox: Sandbox, ready: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    text = (mappings.PACKAGED / "salesforce_fields.csv").read_text("utf-8")
    (folder / "salesforce_fields.csv").write_text(text + "LMS_Enrollment__c,Grade__c,score,number,yes,\n", "utf-8")
    monkeypatch.setenv("LEARNSYNC_MAPPING__DIR", str(folder))
    failure = refusal(load_settings())
    assert f"{ENROLLMENT}.Grade__c" in failure.message
    assert "LEARNSYNC_MAPPING__DIR" in failure.remedy


def test_learning_item_progress_is_never_written(sandbox: Sandbox, settings: Settings) -> None:
    for name in ("LearningItemProgress", "LearningItem"):
        set_flag(sandbox.org, name, createable=True, updateable=True)  # even where an org calls it writable
    before = {name: sandbox.org.records(name) for name in ("LearningItemProgress", "LearningItem", "User", "Contact")}
    run_pull(settings)
    run_build(settings)
    assert run_push(settings).complete
    assert set(sandbox.org.write_counts["objects"]) == {COURSE, ENROLLMENT}
    assert {name: sandbox.org.records(name) for name in before} == before
