"""The assets of the two further targets: skipped where they are off, counted where they are on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster_results import checks_of, metadata_of

from connector.sandbox.server import Sandbox, SandboxOptions

Sync = Callable[..., dg.ExecuteInProcessResult]
LEARNING, RECORDS = "salesforce/learning", "performance/learning_records"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    options = SandboxOptions(scale=40, courses=4, rate_limit=0, learning_records=True)
    with Sandbox(options) as running:
        chosen = running.settings() | {
            "LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH": "true",
            "LEARNSYNC_WAREHOUSE__PATH": str(tmp_path / "warehouse.duckdb"),
            "LEARNSYNC_WAREHOUSE__PUBLISH_PATH": str(tmp_path / "learning.duckdb"),
            "LEARNSYNC_ABSORB__REQUESTS_PER_SECOND": "5000",
            "LEARNSYNC_ABSORB__BURST": "5000",
        }
        for name, value in chosen.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LEARNSYNC_LEARNING_RECORDS__REQUESTS_PER_SECOND", "5000")
        yield running


def test_a_sync_pushes_to_both_and_the_next_one_sends_nothing(served: Sandbox, sync: Sync) -> None:
    first = sync()
    assert first.success
    assert metadata_of(first, LEARNING)["accepted"] == len(served.org.records("Learning")) == 4
    assert metadata_of(first, RECORDS)["accepted"] == len(served.records.rows) > 0
    assert all(checks_of(first)[f"{asset}:push_complete"].passed for asset in (LEARNING, RECORDS))
    second = sync()
    assert (metadata_of(second, LEARNING)["sent"], metadata_of(second, RECORDS)["sent"]) == (0, 0)


def test_a_refusal_warns_and_the_run_succeeds(served: Sandbox, sync: Sync) -> None:
    served.org.fail_next("FIELD_CUSTOM_VALIDATION_EXCEPTION")
    result = sync(asset_selection=[dg.AssetKey(["absorb", "courses"]), dg.AssetKey(LEARNING.split("/"))])
    assert result.success
    check = checks_of(result)[f"{LEARNING}:push_complete"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_without_settings_both_say_so_and_succeed(portal: Sandbox, sync: Sync) -> None:
    result = sync()
    assert result.success
    assert metadata_of(result, LEARNING)["skipped"] == "LEARNSYNC_SALESFORCE__LEARNINGS_GRAPH is false"
    assert metadata_of(result, RECORDS)["skipped"] == "LEARNSYNC_LEARNING_RECORDS__BASE_URL is not set"
