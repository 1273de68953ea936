"""A real Dagster instance, a real DuckDB file, and a portal with an org to sync between."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from connector.sandbox.server import Sandbox, SandboxOptions

# Dagster 1.13 asks pydantic for `__fields__` under a name that pydantic 2.14 deprecates: its own business, not ours.
DAGSTERS_OWN = "ignore:The `__fields__` attribute:DeprecationWarning"

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from pipelines.definitions import defs as loaded

REPO = Path(__file__).resolve().parents[2]
Sync = Callable[..., dg.ExecuteInProcessResult]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Our own use of what Dagster calls beta, preview or superseded is an error; one warning of Dagster's is not."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for kind in ("BetaWarning", "PreviewWarning", "SupersessionWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"error::dagster.{kind}"))
            item.add_marker(pytest.mark.filterwarnings(DAGSTERS_OWN))


@pytest.fixture
def defs() -> dg.Definitions:
    """The definitions as Dagster loads them."""
    return loaded


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance of this test's own, in memory."""
    with dg.DagsterInstance.ephemeral() as running:
        yield running


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """The instance on disk that DAGSTER_HOME=<a folder with our dagster.yaml> gives."""
    home = tmp_path / "dagster_home"
    home.mkdir()
    shutil.copy(REPO / "dagster.yaml", home)
    with dg.DagsterInstance.from_config(str(home)) as running:
        yield running


@pytest.fixture
def portal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A small portal and org; the environment points at them and at a warehouse below tmp_path."""
    with Sandbox(SandboxOptions(scale=400, courses=6, rate_limit=0, salesforce="agreeing")) as running:
        chosen = running.settings() | {
            "LEARNSYNC_WAREHOUSE__PATH": str(tmp_path / "warehouse.duckdb"),
            "LEARNSYNC_WAREHOUSE__PUBLISH_PATH": str(tmp_path / "learning.duckdb"),
            "LEARNSYNC_ABSORB__REQUESTS_PER_SECOND": "5000",
            "LEARNSYNC_ABSORB__BURST": "5000",
        }
        for name, value in chosen.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def sync(defs: dg.Definitions, instance: dg.DagsterInstance) -> Sync:
    """Run a job to its end, in this process."""

    def run(job: str = "incremental_sync", **options: Any) -> dg.ExecuteInProcessResult:
        return defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, **options)

    return run
