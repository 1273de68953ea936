"""Where output goes: results on stdout (a table, or one JSON object), progress and complaints on stderr."""

import json
import logging
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from connector import redact
from connector.errors import LearnsyncError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def new_app(**settings: Any) -> typer.Typer:
    """The typer app of a command, or of a group of them, with the same behaviour everywhere."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, **settings)


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


def plain(value: object) -> object:
    """Values that json cannot write by itself."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return str(value)


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON object on stdout."""
    print(json.dumps(document, default=plain, ensure_ascii=False), flush=True)


def complain(failure: LearnsyncError, *, as_json: bool) -> None:
    """One clear message: what happened, and what to do."""
    if as_json:
        print_json({"error": failure.message, "remedy": failure.remedy, "exit_code": failure.exit_code})
    err.print(f"[bold red]learnsync:[/] {escape(failure.message)}", soft_wrap=True)
    if failure.remedy:
        err.print(f"  → {escape(failure.remedy)}", soft_wrap=True)
