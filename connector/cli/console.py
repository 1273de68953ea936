"""Where output goes: results on stdout (a table, or one JSON object), progress and complaints on stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from connector import redact
from connector.errors import LearnsyncError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def set_up_logging(verbose: bool) -> None:
    """Logs to stderr, scrubbed; LEARNSYNC_LOG_LEVEL or --verbose sets how much."""
    level = "INFO" if verbose else os.environ.get("LEARNSYNC_LOG_LEVEL", "WARNING").upper()
    if level not in logging.getLevelNamesMapping():
        level = "WARNING"
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel("WARNING")
    logging.getLogger("connector").setLevel(level)
    redact.install("", "connector", "httpx")


class Bar(AbstractContextManager["Bar"]):
    """Progress on stderr: a bar on a terminal, a line per stage elsewhere."""

    def __init__(self) -> None:
        self._bars = Bars(
            SpinnerColumn(), TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), console=err, transient=True, disable=not err.is_terminal,
        )  # fmt: skip
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage."""
        if not err.is_terminal:
            amount = "" if total is None or total <= 1 else f" ({total:,})"
            err.print(f"learnsync: {name}{amount}")
        if self._task is not None:
            self._bars.update(self._task, visible=False)
        self._task = self._bars.add_task(name, total=total)

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the bar on."""
        if self._task is not None:
            self._bars.update(self._task, advance=steps)
        if note:
            err.print(note)


def plain(value: object) -> object:
    """Values that json cannot write by itself."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value) if isinstance(value, Path) else repr(value) if isinstance(value, set) else str(value)


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(json.dumps(document, default=plain, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def complain(failure: LearnsyncError, *, as_json: bool) -> None:
    """One clear message: what happened, and what to do."""
    if as_json:
        print_json({"error": failure.message, "remedy": failure.remedy, "exit_code": failure.exit_code})
    err.print(f"[bold red]learnsync:[/] {_safe(failure.message)}", soft_wrap=True)
    if failure.remedy:
        err.print(f"  → {_safe(failure.remedy)}", soft_wrap=True)


def _safe(text: str) -> str:
    return text.replace("[", "\\[")
