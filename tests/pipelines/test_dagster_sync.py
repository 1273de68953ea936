"""The whole graph against a real portal, a real org and a real DuckDB file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from dagster_results import checks_of, failures_of, metadata_of
from support import query

from connector.sandbox.server import Sandbox
from connector.settings import load_settings
from connector.streams import MODELS
from connector.warehouse.database import Warehouse
from connector.warehouse.schema import table_columns

Sync = Callable[..., dg.ExecuteInProcessResult]
STREAMS = ("departments", "users", "courses", "enrollments")
CANONICAL = ("learning_record", "learning_item_progress")
MATCHES = ("salesforce/learner_matches", "salesforce/item_matches")
READ = ("readback/users", "readback/contacts", *MATCHES)
PUSHED = ("salesforce/lms_course", "salesforce/lms_enrollment")


def test_a_sync_and_the_next_one(portal: Sandbox, sync: Sync, tmp_path: Path) -> None:
    first = sync()
    assert first.success
    assert {name: check.passed for name, check in checks_of(first).items() if not check.passed} == {}
    _counts_are_those_of_the_portal(portal, first)
    _the_catalog_can_show_columns_and_lineage(first)
    _the_published_file_holds_the_ledger(tmp_path / "learning.duckdb")

    edited = portal.portal.edit(3, changes={"progress": 42.5})
    second = sync()
    assert second.success
    pulled = metadata_of(second, "absorb/enrollments")
    assert (pulled["inserted"], pulled["updated"]) == (0, len(edited))
    assert pulled["rows_read"] < 400
    assert metadata_of(second, "salesforce/lms_course")["sent"] == 0
    assert metadata_of(second, "salesforce/lms_enrollment")["sent"] <= len(edited)

    third = sync()
    assert metadata_of(third, "absorb/enrollments")["updated"] == 0
    assert metadata_of(third, "salesforce/lms_enrollment")["sent"] == 0
    assert [name for name, check in checks_of(third).items() if not check.passed] == [], "guards stay silent"

    full = sync("full_sync")
    read = metadata_of(full, "absorb/enrollments")
    assert (read["rows_read"], read["unchanged"]) == (400, 400)


def _counts_are_those_of_the_portal(portal: Sandbox, result: dg.ExecuteInProcessResult) -> None:
    for stream in STREAMS:
        pulled = metadata_of(result, f"absorb/{stream}")
        there = portal.portal.count(stream)
        assert (pulled["dagster/row_count"], pulled["rows_read"], pulled["inserted"]) == (there, there, there)
        assert pulled["api_calls"] >= 1
        assert pulled["quarantined"] == pulled["lists_failed"] == 0
        assert 0 <= pulled["watermark_lag_seconds"] < 60
    assert metadata_of(result, "absorb/enrollments")["lists"] == 6
    for table in CANONICAL:
        assert metadata_of(result, table)["dagster/row_count"] == 400
    push = metadata_of(result, "salesforce/lms_enrollment")
    assert push["create"] == push["accepted"] == push["dagster/row_count"]
    assert push["create"] + push["blocked"] == 400


def _the_catalog_can_show_columns_and_lineage(result: dg.ExecuteInProcessResult) -> None:
    columns = {
        asset: {column.name for column in metadata_of(result, asset)["dagster/column_schema"].columns}
        for asset in (*(f"absorb/{stream}" for stream in STREAMS), *READ, *CANONICAL, *PUSHED)
    }
    assert {"id", "course_id", "date_edited", "_removed_at"} <= columns["absorb/enrollments"]
    for asset in (*CANONICAL, *PUSHED, *MATCHES[:1]):
        lineage = metadata_of(result, asset)["dagster/column_lineage"].deps_by_column
        assert set(lineage) <= columns[asset]
        for dep in (dep for deps in lineage.values() for dep in deps):
            known = columns.get(dep.asset_key.to_user_string()) or set(table_columns(MODELS[dep.asset_key.path[-1]]))
            assert dep.column_name in known, (asset, dep)


def _the_published_file_holds_the_ledger(path: Path) -> None:
    with duckdb.connect(str(path), read_only=True) as copy:
        assert copy.execute("SELECT count(*) FROM learning_item_progress").fetchone() == (400,)
        sent = copy.execute("SELECT count(*) FROM salesforce.push_ledger WHERE state = 'accepted'").fetchone()
    assert sent is not None
    assert sent[0] > 300


def test_a_due_sweep_is_part_of_the_sync_and_a_doubtful_one_fails_its_check(portal: Sandbox, sync: Sync) -> None:
    def checked() -> dg.AssetCheckEvaluation:
        query(Warehouse.of(load_settings()), "UPDATE ops.sweeps SET swept_at = now() - INTERVAL 8 DAY")
        result = sync()
        assert result.success
        return checks_of(result)["absorb/enrollments:sweep_trusted"]

    first = checks_of(sync())["absorb/enrollments:sweep_trusted"]
    assert (first.passed, first.metadata["due"].value) == (True, False)
    gone = portal.portal.delete(4)
    swept = checked()
    assert (swept.passed, swept.metadata["due"].value, swept.metadata["enrollments"].value) == (True, True, len(gone))
    deleted = "SELECT count(*) FROM learning_record WHERE is_deleted"
    assert query(Warehouse.of(load_settings()), deleted) == [(len(gone),)]
    portal.portal.remove("users", [row["id"] for row in portal.portal.users()[:30]])
    doubted = checked()
    assert not doubted.passed
    assert "users" in (doubted.description or "")
    assert query(Warehouse.of(load_settings()), deleted) == [(len(gone),)]


def test_details_are_materialized_with_the_enrollments(
    portal: Sandbox, sync: Sync, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNSYNC_ABSORB__DETAIL_STREAMS", "lesson_enrollments,attempts")
    assert sync().success
    for stream in ("lesson_enrollments", "attempts"):
        event = instance.get_latest_materialization_event(dg.AssetKey(["absorb", stream]))
        assert event is not None
        assert event.asset_materialization is not None
        shown = {name: entry.value for name, entry in event.asset_materialization.metadata.items()}
        assert shown["dagster/row_count"] == shown["inserted"] > 0
        assert shown["lists_failed"] == 0
    assert instance.get_latest_materialization_event(dg.AssetKey(["absorb", "session_enrollments"])) is None


def test_the_preview_shows_what_a_push_would_do_and_does_nothing(
    portal: Sandbox, sync: Sync, defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    assert sync().success
    portal.portal.edit(5, changes={"progress": 42.5})
    assert portal.org is not None
    before = portal.org.write_counts
    selection = ["absorb/enrollments", "learning_record", "learning_item_progress", "salesforce/push_preview"]
    job = defs.resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey.from_user_string(name) for name in selection]
    result = job.execute_in_process(instance=instance, asset_selection=keys)
    shown = metadata_of(result, "salesforce/push_preview")
    assert portal.org.write_counts == before
    changed = shown["changes_LMS_Enrollment__c"].records
    assert changed
    assert {row.data["field"] for row in changed} >= {"Completed_Percent__c"}
    assert {row.data["action"] for row in changed} == {"update"}


def test_rejects_warn_and_the_run_succeeds(portal: Sandbox, sync: Sync) -> None:
    malformed, unmapped = portal.portal.rows("enrollments")[:2]
    portal.portal.put_row("enrollments", malformed | {"dateAdded": "soon"})
    portal.portal.put_row("enrollments", unmapped | {"status": 77})
    result = sync()
    assert result.success
    checks = checks_of(result)
    quarantine = checks["absorb/enrollments:quarantine_empty"]
    assert (quarantine.passed, quarantine.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert quarantine.metadata["waiting"].value == 1
    assert malformed["id"] in str(quarantine.metadata["reasons"].value)
    mapped = checks["learning_item_progress:every_status_mapped"]
    assert (mapped.passed, mapped.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "unmapped status 77" in str(mapped.metadata["reasons"].value)
    assert checks["absorb/users:quarantine_empty"].passed
    # One row less than the portal has came in, one of those has no status: nothing is lost without a trace.
    assert checks["learning_item_progress:rows_add_up"].passed
    assert metadata_of(result, "learning_item_progress")["dagster/row_count"] == 398

    portal.portal.put_row("enrollments", malformed)
    portal.portal.put_row("enrollments", unmapped)
    healed = checks_of(sync("full_sync"))
    assert all(check.passed for check in healed.values())


def test_fields_and_values_that_vanish_and_odd_scores_show_in_their_checks(portal: Sandbox, sync: Sync) -> None:
    portal.portal.edit(2, changes={"score": 105.0})
    odd = checks_of(sync())["learning_record:scores_in_range"]
    assert (odd.passed, odd.severity, odd.metadata["out_of_range"].value) == (False, dg.AssetCheckSeverity.WARN, 2)

    portal.portal.alter("enrollments", leave_out=["dateDue"], empty=["fullName"])
    second = sync("full_sync")
    assert second.success
    checks = checks_of(second)
    vanished, emptied = (checks[f"absorb/enrollments:{name}"] for name in ("no_field_vanished", "values_as_before"))
    assert (vanished.passed, vanished.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "enrollments.dateDue" in str(vanished.metadata["fields"].value)
    assert (emptied.passed, emptied.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "enrollments.fullName (0 % → 100 % null in 400 rows)" in str(emptied.description)
    assert checks["absorb/users:no_field_vanished"].passed


def test_drift_warns_and_the_next_sync_repairs_it(portal: Sandbox, sync: Sync) -> None:
    first = sync()
    there = portal.org.record_counts()
    for table, name in (("lms_enrollments", "LMS_Enrollment__c"), ("lms_courses", "LMS_Course__c")):
        read = metadata_of(first, f"readback/{table}")
        assert (read["rows_read"], read["dagster/row_count"]) == (there[name], there[name])
    assert metadata_of(first, "readback/users")["dagster/row_count"] == there["User"]
    matched = metadata_of(first, "salesforce/learner_matches")
    assert sum(row.data["rows"] for row in matched["outcomes"].records) == portal.portal.count("users")

    changed, deleted = portal.org.records("LMS_Enrollment__c")[:2]
    person = portal.org.records("User")[1]["Id"]
    portal.org.update("LMS_Enrollment__c", changed["Id"], {"Score__c": 0.5}, by=person)
    portal.org.delete("LMS_Enrollment__c", [deleted["Id"]])
    second = sync()
    assert second.success
    drift = checks_of(second)["readback/lms_enrollments:no_drift"]
    assert (drift.passed, drift.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert drift.metadata["due_again"].value == 2
    assert changed["Absorb_Enrollment_Id__c"] in str(drift.metadata["samples"].value)

    third = sync()
    assert metadata_of(third, "salesforce/lms_enrollment")["accepted"] == 2
    assert checks_of(third)["readback/lms_enrollments:no_drift"].passed
    full = sync("full_sync")
    assert metadata_of(full, "readback/users")["read_in_full"] == "asked for"


def test_enrollments_without_a_known_learner_are_counted(portal: Sandbox, sync: Sync) -> None:
    row = portal.portal.rows("enrollments")[0]
    portal.portal.put_row("enrollments", row | {"userId": "a0000000-0000-4000-8000-00000000dead"})
    checks = checks_of(sync())
    known = checks["absorb/enrollments:learners_known"]
    assert (known.passed, known.metadata["unknown"].value) == (False, 1)
    assert checks["absorb/enrollments:courses_known"].passed


def test_a_wrong_password_names_its_variable_and_is_nowhere_in_the_events(
    portal: Sandbox, sync: Sync, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEARNSYNC_ABSORB__PASSWORD", "not-the-password-41c7")
    result = sync()
    assert not result.success
    failures = failures_of(result)
    # Both roots fail, each once: no retry would make the password right.
    assert sorted(failures) == ["absorb__courses", "absorb__departments"]
    for failure in failures.values():
        assert "LEARNSYNC_ABSORB__PASSWORD" in (failure.description or "")
        assert failure.metadata["remedy"].value
    assert not any(event.is_step_up_for_retry for event in result.all_events)
    log = "\n".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert "absorb__departments" in log
    for secret in ("not-the-password-41c7", portal.absorb.api_key, portal.absorb.password):
        assert secret not in log


def test_a_missing_setting_says_which(sync: Sync) -> None:
    failures = failures_of(sync())
    assert "LEARNSYNC_ABSORB__API_KEY" in (failures["absorb__courses"].description or "")


def test_without_an_org_the_job_succeeds_and_says_so(
    portal: Sandbox, sync: Sync, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in portal.settings():
        if "SALESFORCE" in name:
            monkeypatch.delenv(name)
    result = sync()
    assert result.success
    for asset in PUSHED:
        assert metadata_of(result, asset) == {"skipped": "LEARNSYNC_SALESFORCE__LOGIN_URL is not set"}
        assert checks_of(result)[f"{asset}:push_complete"].passed
    for asset in ("readback/users", "salesforce/learner_matches", "readback/lms_courses"):
        assert metadata_of(result, asset) == {"skipped": "LEARNSYNC_SALESFORCE__LOGIN_URL is not set"}
    assert checks_of(result)["readback/lms_enrollments:no_drift"].passed
    assert (tmp_path / "learning.duckdb").is_file()


def test_analysts_get_the_data_although_the_push_failed(
    portal: Sandbox,
    sync: Sync,
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("LEARNSYNC_SALESFORCE__CLIENT_SECRET", "not-the-secret-9a1e")
    result = sync()
    assert list(failures_of(result)) == ["salesforce__matches"]
    assert not (tmp_path / "learning.duckdb").exists()
    (request,) = _asked_after(defs, instance, result)
    assert request.job_name in (None, "publish")
    assert sync("publish").success
    assert (tmp_path / "learning.duckdb").is_file()


def test_nothing_is_published_when_the_pull_failed(
    sync: Sync, defs: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    assert _asked_after(defs, instance, sync()) == []


def _asked_after(
    defs: dg.Definitions, instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult
) -> list[dg.RunRequest]:
    """The runs that the failure sensor asks for."""
    sensor = defs.resolve_sensor_def("publish_without_push")
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    ).for_run_failure()
    answer = sensor(context)
    return [answer] if isinstance(answer, dg.RunRequest) else []


def _assigned(defs: dg.Definitions, instance: dg.DagsterInstance, **config: Any) -> dict[str, Any]:
    """What a run of the one asset shows."""
    key = dg.AssetKey(["absorb", "assigned_enrollments"])
    job = defs.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance,
        asset_selection=[key],
        run_config={"ops": {"absorb__assigned_enrollments": {"config": config}}},
    )
    return metadata_of(result, "absorb/assigned_enrollments")


def test_assignments_are_shown_and_enrolled_only_when_asked_for(
    portal: Sandbox, sync: Sync, defs: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _assigned(defs, instance) == {"skipped": "LEARNSYNC_ASSIGNMENTS__ENABLED is not true"}
    monkeypatch.setenv("LEARNSYNC_ASSIGNMENTS__ENABLED", "true")
    assert sync().success
    assert portal.org is not None
    users, items = portal.org.records("User"), portal.org.records("LearningItem")
    portal.org.insert(
        "LearningItemAssignment",
        [{"AssigneeId": user["Id"], "LearningItemId": item["Id"]} for user in users for item in items],
    )
    before = portal.portal.count("enrollments")
    shown = _assigned(defs, instance)
    outcomes = {row.data["outcome"]: row.data["rows"] for row in shown["outcomes"].records}
    assert sum(outcomes.values()) == len(users) * len(items)
    assert (shown["dry_run"], shown["enrolled"], portal.portal.count("enrollments")) == (True, 0, before)
    assert {row.data["outcome"] for row in shown["samples"].records} == set(outcomes)
    done = _assigned(defs, instance, apply=True, limit=1)
    assert (done["dry_run"], done["enrolled"], done["left_out"]) == (False, 1, outcomes["enroll"] - 1)
    assert portal.portal.count("enrollments") == before + 1
    assert metadata_of(sync(), "absorb/enrollments")["inserted"] == 1
