"""What Dagster loads, and that loading needs nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import mappings
from connector.streams import MODELS
from connector.warehouse.schema import table_columns
from pipelines import lineage

REPO = Path(__file__).resolve().parents[2]
GRAPH = Path(__file__).parent / "asset_graph.json"


def graph_of(defs: dg.Definitions) -> dict[str, Any]:
    """Everything about the assets that a user of the UI sees before the first run."""
    graph = defs.resolve_asset_graph()
    found: dict[str, Any] = {}
    for key in sorted(graph.get_all_asset_keys(), key=dg.AssetKey.to_user_string):
        node = graph.get(key)
        found[key.to_user_string()] = {
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "owners": sorted(node.owners),
            "pool": sorted(node.pools or []),
            "fresh": node.freshness_policy is not None,
            "checks": sorted(check.name for check in node.check_keys),
        }
    return found


def test_the_definitions_load_with_nothing_set(tmp_path: Path) -> None:
    code = "from pipelines.definitions import defs; print(len(defs.resolve_asset_graph().get_all_asset_keys()))"
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPO), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=bare, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    expected = str(len(json.loads(GRAPH.read_text("utf-8"))))
    assert (done.returncode, done.stdout.strip()) == (0, expected), done.stderr
    assert list(tmp_path.iterdir()) == [], "loading must not create anything"


def test_loading_does_not_even_look_at_the_settings(tmp_path: Path) -> None:
    code = "from pipelines.definitions import defs"
    odd = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPO), "LEARNSYNC_NONSENSE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=odd, cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0


def test_the_asset_graph_is_as_recorded(defs: dg.Definitions) -> None:
    """Change tests/pipelines/asset_graph.json by hand: the difference is what reviewers look at."""
    assert graph_of(defs) == json.loads(GRAPH.read_text("utf-8"))


def test_every_asset_says_what_it_is(defs: dg.Definitions) -> None:
    for spec in defs.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.owners, spec.key


@pytest.mark.parametrize("name", ["incremental_sync", "full_sync", "publish", "reconcile"])
def test_jobs_that_write_carry_the_tag_the_queue_looks_at(defs: dg.Definitions, name: str) -> None:
    job = defs.resolve_job_def(name)
    assert job.tags["learnsync/writer"] == "true"
    assert job.executor_def.name == "in_process"


def test_no_schedule_starts_by_itself(defs: dg.Definitions) -> None:
    for schedule in defs.schedules or []:
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_a_sync_is_due_each_quarter_of_an_hour(defs: dg.Definitions, configured: dg.DagsterInstance) -> None:
    schedule = defs.resolve_schedule_def("every_quarter_hour")
    assert (schedule.cron_schedule, schedule.job_name) == ("*/15 * * * *", "incremental_sync")
    tick = schedule.evaluate_tick(dg.build_schedule_context(instance=configured))
    assert len(tick.run_requests or []) == 1


def test_a_tick_is_skipped_while_a_sync_has_not_finished(defs: dg.Definitions, configured: dg.DagsterInstance) -> None:
    schedule = defs.resolve_schedule_def("every_quarter_hour")
    job = defs.resolve_job_def("full_sync")
    run = configured.create_run_for_job(job, tags={"learnsync/writer": "true"}, status=dg.DagsterRunStatus.STARTED)
    tick = schedule.evaluate_tick(dg.build_schedule_context(instance=configured))
    assert not tick.run_requests
    assert run.run_id in (tick.skip_message or "")


def test_lineage_names_columns_that_exist() -> None:
    """Columns of absorb.* come from the models; the canonical tables and push columns are compared in a real run."""
    columns = {f"absorb/{name}": set(table_columns(model)) for name, model in MODELS.items()}
    maps = mappings.load_mapping()
    for name in ("learning_record", "learning_item_progress", "push_courses", "push_enrollments"):
        sources = lineage.sources_of(maps, name)
        for source in {source for found in sources.values() for source in found}:
            asset, _, column = source.rpartition(".")
            assert asset not in columns or column in columns[asset], source


def test_lineage_follows_the_sql_through_its_subqueries() -> None:
    maps = mappings.load_mapping()
    record = lineage.sources_of(maps, "learning_record")
    assert record["title"] == ("absorb/courses.name", "absorb/enrollments.course_name")
    assert set(record["linked_assessment_id"]) == {
        f"absorb/attempts.{name}" for name in ("id", "completion_date", "start_date")
    }
    assert record["source_type"] == ()
    progress = lineage.sources_of(maps, "learning_item_progress")
    rule_reads = {"status", "progress", "date_due", "_due_day", "date_completed", "is_active", "_removed_at"}
    assert {f"absorb/enrollments.{name}" for name in rule_reads} <= set(progress["ProgressStatus"])
    pushed = lineage.sources_of(maps, "push_enrollments")
    assert pushed["progress_status"] == ("learning_item_progress.ProgressStatus",)
    assert pushed["salesforce_user_id"] == ("salesforce/learner_matches.last_user_id",)
    compared = {f"absorb/users.{rule.absorb_field}" for rule in maps.learner_rules}
    assert compared <= set(lineage.matched_sources(maps)["last_user_id"])


def test_a_custom_file_that_cannot_be_read_has_no_lineage(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "push_courses.sql").write_text("SELECT FROM WHERE (")
    assert lineage.pushed_lineage(mappings.load_mapping(tmp_path), "LMS_Course__c").deps_by_column == {}


@pytest.mark.parametrize("name", ["LMS_Course__c", "LMS_Enrollment__c"])
def test_every_field_of_the_packaged_map_has_lineage(name: str) -> None:
    maps = mappings.load_mapping()
    fields = {field.field for field in maps.object_fields(name)}
    assert set(lineage.pushed_lineage(maps, name).deps_by_column) == fields
