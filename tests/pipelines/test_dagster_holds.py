"""A held push, a push that is refused whole and a list that was not read, as Dagster shows them."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import httpx
from dagster_results import checks_of, failures_of, metadata_of

from connector.sandbox.server import Sandbox

Sync = Callable[..., dg.ExecuteInProcessResult]
ENROLLMENT = "salesforce/lms_enrollment"
PUSH = "salesforce__lms"


def test_a_held_push_fails_its_check_and_is_approved_by_tag_or_config(
    portal: Sandbox, sync: Sync, defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    first = sync()
    assert first.success
    assert checks_of(first)[f"{ENROLLMENT}:not_held"].passed
    keys = [row["Absorb_Enrollment_Id__c"] for row in portal.org.records("LMS_Enrollment__c")]
    portal.portal.edit(keys[:200], changes={"status": 6, "isActive": True})
    second = sync()
    assert second.success, "other targets and the analysts' file are not kept back"
    check = checks_of(second)[f"{ENROLLMENT}:not_held"]
    hold = metadata_of(second, ENROLLMENT)["hold"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert f"learnsync push --approve {hold}" in (check.description or "")
    assert metadata_of(second, ENROLLMENT)["sent"] == 0
    assert checks_of(second)["salesforce/lms_course:not_held"].passed

    job = defs.resolve_implicit_global_asset_job_def()
    assets = [dg.AssetKey(["salesforce", name]) for name in ("lms_course", "lms_enrollment")]
    wrong = job.execute_in_process(
        instance=instance, asset_selection=assets, raise_on_error=False, tags={"learnsync/approve": "NOSUCH"}
    )
    assert "NOSUCH" in (failures_of(wrong)[PUSH].description or "")
    config = {"ops": {PUSH: {"config": {"approve": hold}}}}
    done = job.execute_in_process(instance=instance, asset_selection=assets, run_config=config)
    assert checks_of(done)[f"{ENROLLMENT}:not_held"].passed
    assert metadata_of(done, ENROLLMENT)["accepted"] > 100

    portal.portal.edit(keys[:200], changes={"status": 1, "dateDue": None, "dateCompleted": None})
    held = metadata_of(sync(), ENROLLMENT)["hold"]
    assert held
    tagged = job.execute_in_process(instance=instance, asset_selection=assets, tags={"learnsync/approve": held})
    assert checks_of(tagged)[f"{ENROLLMENT}:not_held"].passed


def test_a_push_that_is_refused_whole_is_a_failed_run(portal: Sandbox, sync: Sync) -> None:
    portal.org.fail_share(1.0, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    result = sync()
    assert not result.success
    told = failures_of(result)[PUSH].description or ""
    assert "Every record that was sent was refused. LMS_Course__c: 6 of 6 (FIELD_CUSTOM_VALIDATION_EXCEPTION)" in told
    assert metadata_of(result, ENROLLMENT)["accepted"] == 0


def test_a_list_that_was_not_read_is_an_error(portal: Sandbox, sync: Sync) -> None:
    course = portal.portal.rows("courses")[0]["id"]
    httpx.post(f"{portal.absorb_url}/_sandbox/refuse", json={"course_id": course, "times": 99, "status": 422})
    streams = ("departments", "users", "courses", "enrollments")
    result = sync(asset_selection=[dg.AssetKey(["absorb", stream]) for stream in streams])
    httpx.post(f"{portal.absorb_url}/_sandbox/refuse", json={"course_id": course, "times": 0})
    check = checks_of(result)["absorb/enrollments:every_list_read"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "422" in str(check.metadata["lists"].value)
