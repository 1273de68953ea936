"""The analysts' file: a whole copy, put in place atomically, so that readers never meet the writer's lock."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from connector import machine
from connector.errors import WarehouseError
from connector.settings import Settings
from connector.warehouse import runs
from connector.warehouse.database import Connection, Warehouse, roll_back
from connector.warehouse.drafts import clear_drafts
from connector.warehouse.room import copy_bytes, require_room
from connector.warehouse.runs import Closing
from connector.warehouse.stale_log import PUBLISH_VARIABLE, STORAGE, keep_out
from connector.warehouse.statements import literal
from connector.warehouse.trouble import refusal


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What was published."""

    path: Path
    bytes: int
    seconds: float


def publish(settings: Settings, run_id: str = "", close: Closing | None = None) -> PublishReport:
    """Copy the warehouse, then replace the published file by it: open readers keep their snapshot.

    Raises WarehouseError where there is no warehouse, or the published file cannot be written.
    """
    target = settings.warehouse.publish_path
    started = time.monotonic()
    with _draft_of(target) as draft, Warehouse.existing(settings).connect() as connection:
        runs.note_begun(connection, run_id)
        require_room(target, copy_bytes(connection, target), "the copy", PUBLISH_VARIABLE)
        with attached(connection, draft, target):
            connection.execute("COPY FROM DATABASE warehouse TO draft")
        keep_out(target)
        draft.replace(target)
        report = PublishReport(target, target.stat().st_size, time.monotonic() - started)
        if close:
            close(connection, report)
    return report


@contextmanager
def _draft_of(target: Path) -> Iterator[Path]:
    """The path of a copy beside the published file. What is left of it is removed. Raises WarehouseError."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_drafts(target, "draft")
        draft.unlink(missing_ok=True)
        yield draft
    except OSError as failure:
        raise WarehouseError(
            f"{PUBLISH_VARIABLE} = {target}: cannot be written ({failure.strerror or failure}).",
            remedy=machine.REMEDIES[number]
            if (number := failure.errno) in machine.WITHOUT_PATH
            else "Point the variable at a file in a folder that this user may write to.",
        ) from None
    finally:
        for left in (draft, draft.with_name(draft.name + ".wal")):
            with suppress(OSError):  # what stands in the way was reported above
                left.unlink(missing_ok=True)


@contextmanager
def attached(connection: Connection, draft: Path, target: Path) -> Iterator[None]:
    """The database `draft`, to be filled; whole in its file when this is left, and detached however it is left."""
    connection.execute(f"ATTACH {literal(draft)} AS draft (STORAGE_VERSION '{STORAGE}')")
    try:
        yield
        connection.execute("CHECKPOINT draft")
    except BaseException as failure:
        roll_back(connection)
        with suppress(duckdb.Error):
            connection.execute("DETACH draft")
        if told := refusal(failure, f"{PUBLISH_VARIABLE} = {target}"):
            raise told from None
        raise
    connection.execute("DETACH draft")
