"""A command imports what it needs: `--help` and what only looks at the warehouse start without the HTTP client."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.lets_go

# Runs a command, and prints last which modules were imported.
RUN = """
import json, sys
from contextlib import suppress
from connector.cli import main
sys.argv[0] = "learnsync"
with suppress(SystemExit):
    main()
print(json.dumps(sorted(sys.modules)))
"""
HEAVY = (
    "httpx", "httpcore", "dagster", "uvicorn", "starlette", "cryptography", "jwt", "filelock",
    "connector.http", "connector.sandbox", "connector.absorb", "connector.salesforce", "connector.learning_records",
    "connector.sync", "pipelines",
)  # fmt: skip
# What is read from settings and warehouse, which `--help` needs not.
OF_THE_WAREHOUSE = ("duckdb", "pydantic", "pydantic_settings", "tenacity", "importlib.metadata", "connector.settings")


def imported(*arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=True)
    modules: list[str] = json.loads(done.stdout.splitlines()[-1])
    assert "connector.cli.main" in modules
    return modules


def met(modules: list[str], packages: tuple[str, ...]) -> list[str]:
    return sorted({package for package in packages for name in modules if f"{name}.".startswith(f"{package}.")})


@pytest.mark.parametrize("arguments", [["--help"], []], ids=["help", "no argument"])
def test_help_imports_neither_settings_nor_warehouse(arguments: list[str]) -> None:
    assert met(imported(*arguments), HEAVY + OF_THE_WAREHOUSE) == []


@pytest.mark.parametrize("command", ["status", "build", "publish", "explain"])
def test_what_makes_no_call_imports_no_client(
    command: str, tmp_path: Path, new_warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(new_warehouse, tmp_path / "warehouse.duckdb")
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PATH", str(tmp_path / "warehouse.duckdb"))
    monkeypatch.setenv("LEARNSYNC_WAREHOUSE__PUBLISH_PATH", str(tmp_path / "learning.duckdb"))
    more = ["3f2504e0-4f89-41d3-9a0c-0305e82c3301"] if command == "explain" else []
    modules = imported(command, *more, "--json")
    assert met(modules, HEAVY) == []
    assert "connector.warehouse.database" in modules
