"""How often a sync opens the warehouse: each opening costs 20 to 30 ms, and keeps other processes out."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from connector.sandbox.server import Sandbox
from connector.settings import load_settings
from connector.sync import run_sync
from connector.warehouse.database import Warehouse

MOST = 25


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Openings so far, by the function that asked for them."""
    found: Counter[str] = Counter()
    original = Warehouse._open

    def counted(self: Warehouse) -> Any:
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_code.co_filename.endswith(("database.py", "contextlib.py")):
            frame = frame.f_back
        found[f"{frame.f_globals['__name__']}.{frame.f_code.co_name}"] += 1
        return original(self)

    monkeypatch.setattr(Warehouse, "_open", counted)
    return found


def test_an_incremental_sync_by_dagster_opens_the_warehouse_seldom(
    portal: Sandbox, sync: Callable[..., dg.ExecuteInProcessResult], openings: Counter[str]
) -> None:
    assert sync().success
    assert openings.total() <= MOST + 5, openings
    openings.clear()
    portal.portal.edit(3, changes={"progress": 42.5})
    assert sync().success
    assert openings.total() <= MOST, openings


def test_a_sync_by_the_command_line_opens_it_no_more_often(portal: Sandbox, openings: Counter[str]) -> None:
    settings = load_settings()
    run_sync(settings)
    openings.clear()
    portal.portal.edit(3, changes={"progress": 42.5})
    run_sync(settings)
    assert openings.total() <= MOST, openings
