"""Where tests of a push begin: the rows of a portal, and a warehouse that has them, both made once a module."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import Row

from connector.sandbox.server import Sandbox, SandboxOptions
from connector.settings import Settings, load_settings
from connector.streams import STREAMS
from connector.sync import run_build, run_pull


@dataclass(frozen=True)
class Start:
    """The rows of a portal, by stream, and a warehouse of them for each test to copy."""

    rows: dict[str, list[Row]]
    warehouse: Path


def catch_up(settings: Settings) -> None:
    run_pull(settings)
    run_build(settings)


def started(
    folder: Path,
    *,
    scale: int,
    courses: int,
    salesforce: Any = False,
    variables: Mapping[str, str] | None = None,
    before: Callable[[Sandbox], object] = lambda box: None,
    work: Callable[[Settings], object] = catch_up,
) -> Start:
    """Serve a new portal, change it by `before`, and do `work` with a new warehouse in the folder."""
    where = {"LEARNSYNC_WAREHOUSE__PATH": str(folder / "warehouse.duckdb")}
    options = SandboxOptions(scale=scale, courses=courses, rate_limit=0, salesforce=salesforce)
    with Sandbox(options) as box, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("LEARNSYNC_")]:
            patch.delenv(name)
        patch.chdir(folder)
        for name, value in {**box.settings(), **where, **(variables or {})}.items():
            patch.setenv(name, value)
        before(box)
        work(load_settings())
        return Start({stream: box.portal.rows(stream) for stream in STREAMS}, folder / "warehouse.duckdb")


def portal_of(start: Start, box: Sandbox | None = None, **options: Any) -> Sandbox:
    """A portal with the rows of a start, not serving yet, and an org of its own; in `box` where it is given."""
    found = box or Sandbox(SandboxOptions(rate_limit=0, **options))
    for stream, rows in start.rows.items():
        found.portal.load(stream, rows)
    return found
