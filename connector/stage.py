"""A stage of a sync: its work is done, and recorded in ops.runs whatever way it ends."""

import dataclasses
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from connector import machine, stopping
from connector.errors import LearnsyncError, ResourceError, WarehouseError
from connector.settings import Settings
from connector.warehouse import runs
from connector.warehouse.database import Connection, Warehouse, is_there
from connector.warehouse.runs import Closing

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# The name that filters of logs know: a stage is the step of a sync.
log = logging.getLogger("connector.sync")

Report = TypeVar("Report", bound="DataclassInstance")
# Reads what an orchestrator shows of a stage, in the opening of the warehouse that ends the stage.
Look = Callable[[Connection], None]
FILLING = ("pull", "reconcile")  # whose reports say that they made the warehouse


def stage(settings: Settings, command: str, work: Callable[[str, Closing], Report], look: Look | None = None) -> Report:
    """Do the work of a stage, whatever way it ends recorded in ops.runs.

    `work` gets the run id, and what it may call in its last opening of the warehouse to save another one.
    """
    run, is_new = runs.begin(settings.tenant_id, command), not is_there(settings)
    close = partial(_close, run, look)
    try:
        report = work(run.run_id, close)
    except BaseException as failure:
        told = machine.explain(failure, beside=settings.warehouse.path) or failure
        if runs.is_open(run):
            _record_failure(settings, run, told)
        if told is failure:
            raise
        raise told from failure
    if runs.is_open(run):
        with Warehouse.of(settings).connect() as connection:
            close(connection, report)
    if is_new and command not in FILLING:
        log.warning("there was no warehouse: a new, empty one was made at %s", settings.warehouse.path)
    return report


def _close(run: runs.Run, look: Look | None, connection: Connection, report: "DataclassInstance") -> None:
    stats = as_stats(report)
    runs.finish(connection, run, "complete" if stats["complete"] else "incomplete", stats=stats)
    if look:
        look(connection)


def _record_failure(settings: Settings, run: runs.Run, failure: BaseException) -> None:
    outcome, message = "failed", str(failure) if isinstance(failure, LearnsyncError) else type(failure).__name__
    if stopping.requested():
        outcome, message = "interrupted", "a signal ended it"
    if not is_there(settings):
        return  # a failure makes no warehouse
    wait = settings.warehouse.lock_timeout_seconds
    if isinstance(failure, WarehouseError) or stopping.requested():  # it was waited for already, or nobody waits
        wait = min(wait, 1.0)
    with (
        suppress(WarehouseError, ResourceError, KeyboardInterrupt),  # the failure itself is what to tell
        Warehouse.of(settings, lock_timeout_seconds=wait).connect() as connection,
    ):
        runs.finish(connection, run, outcome, message)


def as_stats(report: "DataclassInstance") -> dict[str, Any]:
    """A report as plain values for JSON; `complete` is true for one that cannot be incomplete."""
    return {**dataclasses.asdict(report), "complete": bool(getattr(report, "complete", True))}
