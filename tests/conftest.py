"""What every test starts from: no settings of the developer's, an empty folder, nothing remembered."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from connector import redact
from connector.absorb.login import password
from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.warehouse import database
from connector.warehouse.database import Warehouse
from connector.warehouse.engine import Engine

# Examples that open a DuckDB file take as long as the disk does: time is no verdict here.
hypothesis_settings.register_profile(
    "learnsync", deadline=None, database=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("learnsync")

# Neither is installed. DuckDB looks for the one at every parameter, httpcore for the other at every request.
for missing in ("pandas", "sniffio"):
    sys.modules.setdefault(missing, None)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def clean_slate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No LEARNSYNC_* variable, no .env, no learnsync.toml, no remembered secret or token."""
    for name in list(os.environ):
        if name.upper().startswith("LEARNSYNC_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(redact, "_known", set())
    monkeypatch.setattr(password, "_accounts", {})


@pytest.fixture(scope="session")
def new_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse that has every migration and no row."""
    path = tmp_path_factory.mktemp("new") / "warehouse.duckdb"
    with Warehouse(path).connect():
        return path


@pytest.fixture(autouse=True)
def attached(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, new_warehouse: Path) -> Iterator[None]:
    """A new warehouse starts as a copy of a migrated one, and stays attached until its test ends.

    Migrating, attaching and detaching take a third of a test that pulls. A test whose file is opened by another
    process, or replaced, or which is about the opening itself, says `@pytest.mark.lets_go`; long runs do without.
    """
    if request.node.get_closest_marker("lets_go") or request.node.get_closest_marker("soak"):
        yield
        return
    kept: dict[Path, Any] = {}
    really = Engine.open

    def open_(path: Path, *means: Any) -> Any:
        if path not in kept:
            kept[path] = really(path, *means)
        return really(path, *means)

    def create(path: Path, *_: object) -> bool:
        shutil.copy(new_warehouse, path)
        return True

    monkeypatch.setattr(Engine, "open", open_)
    monkeypatch.setattr(database, "create", create)
    yield
    for engine, connection in kept.values():
        engine.close(connection)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A small portal and org of this test's own."""
    with Sandbox(SandboxOptions(scale=600, courses=8, rate_limit=0, salesforce="agreeing")) as running:
        yield running


@pytest.fixture
def settings(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings, by way of the environment, that point at `sandbox` and at a new warehouse."""
    for name, value in sandbox.settings().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", str(tmp_path / "learning.duckdb"))
    monkeypatch.setenv("LEARNSYNC_ABSORB__REQUESTS_PER_SECOND", "5000")
    monkeypatch.setenv("LEARNSYNC_ABSORB__BURST", "5000")
    return load_settings()
