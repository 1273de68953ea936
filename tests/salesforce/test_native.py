"""LearningItemProgress as a target: refused with the reason, unless describe and a setting both permit it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import query, records

from connector.errors import PreflightError, SettingsError, TargetRefusedError
from connector.push.reports import PushOptions
from connector.sandbox.org import Org
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.sync import chosen, run_build, run_match, run_pull, run_push
from connector.warehouse.database import Warehouse

REPO = Path(__file__).resolve().parents[2]
NATIVE = "LearningItemProgress"
ALLOW = "LEARNSYNC_SALESFORCE__ALLOW_LEARNING_ITEM_PROGRESS_WRITES"
OPTIONS = PushOptions(targets=("learning_item_progress",))


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxOptions(scale=120, courses=4, rate_limit=0)) as running:
        yield running


@pytest.fixture
def org(sandbox: Sandbox) -> Org:
    assert sandbox.org is not None
    return sandbox.org


@pytest.fixture
def allowed(org: Org, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An org that calls the object updateable, and an operator who opted in."""
    org.open_learning_item_progress()
    monkeypatch.setenv(ALLOW, "true")
    return load_settings()


@pytest.fixture
def matched(org: Org, allowed: Settings) -> dict[str, dict[str, Any]]:
    """Three enrollments whose learner and course Salesforce has a record for; record id → what we have."""
    run_pull(allowed)
    run_match(allowed)
    run_build(allowed)
    progress = iter(org.records(NATIVE))
    found: dict[str, dict[str, Any]] = {}
    wanted = """
        FROM learning_item_progress
        WHERE "OwnerId" IS NOT NULL AND "LearningItemId" IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY user_id) = 1
          AND count(*) OVER (PARTITION BY "OwnerId", "LearningItemId") = 1
        LIMIT 3
    """
    for row in records(Warehouse.of(allowed), wanted):
        theirs = next(progress)
        with Warehouse.of(allowed).connect() as connection:
            connection.execute(
                'INSERT INTO salesforce.learning_item_progress (tenant_id, "Id", "OwnerId", "LearningItemId")'
                " VALUES ('default', ?, ?, ?)",
                [theirs["Id"], row["OwnerId"], row["LearningItemId"]],
            )
        found[theirs["Id"]] = row
    return found


def refusal(settings: Settings, options: PushOptions = OPTIONS) -> TargetRefusedError:
    with pytest.raises(TargetRefusedError) as caught:
        run_push(settings, options)
    assert caught.value.exit_code == 2
    return caught.value


# -- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opted_in", ["true", "false"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_read_only_object_is_refused_with_the_reason_whatever_the_setting(
    org: Org, settings: Settings, monkeypatch: pytest.MonkeyPatch, opted_in: str, dry_run: bool
) -> None:
    monkeypatch.setenv(ALLOW, opted_in)
    before = org.records(NATIVE)
    failure = refusal(load_settings(), PushOptions(targets=("learning_item_progress",), dry_run=dry_run))
    assert failure.message == (
        "LearningItemProgress cannot be pushed to: Salesforce offers no create, update or upsert of it through any API,"
        " and the describe of this org agrees (createable = false, updateable = false)."
    )
    assert "Push without --target" in failure.remedy
    assert f"{ALLOW} cannot change that" in failure.remedy
    assert org.records(NATIVE) == before
    assert org.write_counts == {"objects": {}, "collection_calls": 0}


def test_an_object_that_is_only_createable_is_refused_too(
    org: Org, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALLOW, "true")
    org.schema(NATIVE).createable = True
    assert "(createable = true, updateable = false)" in refusal(load_settings()).message


def test_a_writable_object_is_refused_until_the_operator_opts_in(org: Org, settings: Settings) -> None:
    org.open_learning_item_progress()
    failure = refusal(settings)
    assert "this org's describe calls it updateable" in failure.message
    assert f"{ALLOW} is not true" in failure.message
    assert f"Set {ALLOW}=true only where" in failure.remedy


def test_an_org_without_the_object_says_so(org: Org, allowed: Settings) -> None:
    org.remove_object(NATIVE)
    assert "is not in this org" in refusal(allowed).message


def test_a_refused_target_holds_back_the_others_named_with_it(org: Org, settings: Settings) -> None:
    refusal(settings, PushOptions(targets=("lms_course", "learning_item_progress")))
    assert org.write_counts["objects"] == {}


def test_an_unknown_target_is_named(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="--target 'lms_courses' is not a target") as caught:
        chosen(settings, ["lms_course", "lms_courses"])
    assert "lms_course, lms_enrollment, learning_item_progress" in caught.value.remedy
    assert chosen(settings, None) == ["lms_course", "lms_enrollment"]


def test_the_command_says_it_in_one_message(org: Org, settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "connector.cli", "push", "--target", "learning_item_progress", "--json"],
        env=os.environ | {"PYTHONPATH": str(REPO)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit_code"]) == (2, 2)
    assert told["error"].startswith("LearningItemProgress cannot be pushed to: Salesforce offers no create")
    assert ALLOW in told["remedy"]
    assert "Traceback" not in done.stderr
    assert org.write_counts["objects"] == {}


# -- permitted --------------------------------------------------------------------------------------------------------


def test_matched_records_are_updated_by_id_and_no_others(
    org: Org, allowed: Settings, matched: dict[str, dict[str, Any]]
) -> None:
    before = {row["Id"]: row for row in org.records(NATIVE)}
    report = run_push(allowed, OPTIONS)
    outcome = report.targets["learning_item_progress"]
    assert report.complete
    assert (outcome.create, outcome.update, outcome.accepted, outcome.created) == (0, 3, 3, 0)
    # Of several enrollments of one learner in one item, the newest alone counts.
    ((rows,),) = query(
        Warehouse.of(allowed),
        """
        SELECT count(*) FILTER (WHERE "OwnerId" IS NULL OR "LearningItemId" IS NULL)
          + count(DISTINCT ("OwnerId", "LearningItemId")) FILTER (WHERE "OwnerId" || "LearningItemId" IS NOT NULL)
        FROM learning_item_progress
        """,
    )
    assert outcome.blocked == {"no_progress_record": rows - 3}
    after = {row["Id"]: row for row in org.records(NATIVE)}
    stamps = {"LastModifiedDate", "SystemModstamp"}
    for key, row in after.items():
        ours = matched.get(key)
        wanted = before[key] | (
            {
                "ProgressStatus": ours["ProgressStatus"],
                "CompletedPercent": float(ours["CompletedPercent"]),
                "CompletedDate": ours["CompletedDate"] and ours["CompletedDate"].strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            }
            if ours
            else {}
        )
        skipped = stamps | ({"LastModifiedById"} if ours else set())
        assert {k: v for k, v in row.items() if k not in skipped} == {
            k: v for k, v in wanted.items() if k not in skipped
        }
    ledger = records(Warehouse.of(allowed), f"FROM salesforce.push_ledger WHERE target_object = '{NATIVE}'")
    assert {row["external_id"] for row in ledger} == {row["salesforce_id"] for row in ledger} == set(matched)
    again = run_push(allowed, OPTIONS).targets["learning_item_progress"]
    assert (again.update, again.unchanged, again.sent) == (0, 3, 0)


def test_only_fields_that_describe_calls_updateable_are_sent(
    org: Org, allowed: Settings, matched: dict[str, dict[str, Any]]
) -> None:
    for name in ("ProgressStatus", "CompletedDate"):
        org.schema(NATIVE).fields[name.lower()].updateable = False
    before = {row["Id"]: row for row in org.records(NATIVE)}
    assert run_push(allowed, OPTIONS).complete
    for row in org.records(NATIVE):
        assert (row["ProgressStatus"], row["CompletedDate"]) == tuple(
            before[row["Id"]][name] for name in ("ProgressStatus", "CompletedDate")
        )
        if row["Id"] in matched:
            assert row["CompletedPercent"] == float(matched[row["Id"]]["CompletedPercent"])
    org.schema(NATIVE).fields["completedpercent"].updateable = False
    with pytest.raises(PreflightError, match="none of the mapped fields"):
        run_push(allowed, OPTIONS)


def test_a_status_that_the_picklist_lacks_is_a_problem_not_left_out(org: Org, allowed: Settings) -> None:
    org.deactivate_picklist_value(NATIVE, "ProgressStatus", "Behind")
    with pytest.raises(
        PreflightError, match=r"LearningItemProgress\.ProgressStatus lacks the active value\(s\) Behind"
    ):
        run_push(allowed, OPTIONS)


def test_a_record_that_is_gone_is_deferred_and_several_of_a_pair_are_blocked(
    org: Org, allowed: Settings, matched: dict[str, dict[str, Any]]
) -> None:
    gone, doubled, _ = matched
    org.delete(NATIVE, [gone])
    with Warehouse.of(allowed).connect() as connection:
        connection.execute(
            "INSERT INTO salesforce.learning_item_progress BY NAME"
            ' SELECT * REPLACE (\'0zt-other\' AS "Id") FROM salesforce.learning_item_progress WHERE "Id" = ?',
            [doubled],
        )
    report = run_push(allowed, OPTIONS)
    outcome = report.targets["learning_item_progress"]
    assert not report.complete
    assert (outcome.accepted, outcome.deferred, outcome.errors) == (1, 1, {"ENTITY_IS_DELETED": 1})
    assert outcome.blocked["several_progress_records"] == 1
